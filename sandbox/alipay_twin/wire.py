"""What travels on the wire: parameters, the strings that are signed, RSA2 both ways, the envelope.

Pure functions, no database and no clock, so that each rule can be tried with a test vector.

A *request* is signed over every parameter but ``sign``; a *notice* and a *return* are signed over
every parameter but ``sign`` and ``sign_type``; an *answer* is signed over the raw text of its node.
Empty values are never part of a string to sign.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

HASHES: dict[str, hashes.HashAlgorithm] = {"RSA2": hashes.SHA256(), "RSA": hashes.SHA1()}  # noqa: S303 RSA is Alipay's legacy algorithm
CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "gbk": "gbk", "gb2312": "gbk", "gb18030": "gb18030"}


class Malformed(ValueError):
    """The parameters cannot be read."""


# -- parameters ------------------------------------------------------------------------------------


def pairs(encoded: bytes, charset: str) -> list[tuple[str, str]]:
    """Decode ``a=1&b=2`` once, as a form is decoded."""
    found = []
    for piece in encoded.split(b"&"):
        if piece:
            name, _, value = piece.partition(b"=")
            found.append((_decoded(name, charset), _decoded(value, charset)))
    return found


def _decoded(piece: bytes, charset: str) -> str:
    return unquote_to_bytes(piece.replace(b"+", b" ")).decode(charset, errors="replace")


def charset_of(query: bytes, content_type: str) -> str:
    """Say how to decode a request.

    Alipay reads ``charset`` in the address; without it, and without one in the content type, it
    decodes as GBK.
    """
    said = dict(pairs(query, "latin-1")).get("charset", "")
    if not said:
        match = re.search(r"charset=\"?([\w-]+)", content_type, re.IGNORECASE)
        said = match[1] if match else ""
    return CHARSETS.get(said.lower(), "gbk")


def merged(query: bytes, body: bytes, charset: str) -> dict[str, str]:
    """Read address and body into one set of parameters; a name that comes twice must agree."""
    parameters: dict[str, str] = {}
    for name, value in pairs(query, charset) + pairs(body, charset):
        if parameters.setdefault(name, value) != value:
            raise Malformed(name)
    return parameters


def form(fields: Mapping[str, str] | Iterable[tuple[str, str]], charset: str = "utf-8") -> str:
    """Encode fields for a form body or an address."""
    items = fields.items() if isinstance(fields, Mapping) else fields
    return urlencode(list(items), encoding=charset, errors="xmlcharrefreplace")


# -- strings to sign -------------------------------------------------------------------------------


def string_to_sign(
    parameters: Mapping[str, str], *, without: Iterable[str], keep_empty: bool = False
) -> str:
    """Join ``name=value`` sorted by name, raw values, nothing empty."""
    left_out = frozenset(without)
    return "&".join(
        f"{name}={parameters[name]}"
        for name in sorted(parameters)
        if name not in left_out and (keep_empty or parameters[name] != "")
    )


def request_string(parameters: Mapping[str, str], *, keep_empty: bool = False) -> str:
    """The text a merchant signs when it calls the gateway: ``sign_type`` counts."""
    return string_to_sign(parameters, without=("sign",), keep_empty=keep_empty)


def message_string(fields: Mapping[str, str]) -> str:
    """The text Alipay signs in a notice or a return: ``sign_type`` does not count."""
    return string_to_sign(fields, without=("sign", "sign_type", "alipay_cert_sn"))


# -- RSA -------------------------------------------------------------------------------------------


def signature(
    text: str, key: RSAPrivateKey, *, charset: str = "utf-8", sign_type: str = "RSA2"
) -> str:
    """Sign a text; base64 on one line."""
    raw = key.sign(text.encode(charset, "replace"), padding.PKCS1v15(), HASHES[sign_type])
    return base64.b64encode(raw).decode()


def is_signed(
    text: str, sign: str, key: RSAPublicKey, *, charset: str = "utf-8", sign_type: str = "RSA2"
) -> bool:
    """Say whether the signature is that key's, over that very text."""
    try:
        raw = base64.b64decode(sign, validate=True)
        key.verify(raw, text.encode(charset, "replace"), padding.PKCS1v15(), HASHES[sign_type])
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def signed(
    fields: Mapping[str, str], key: RSAPrivateKey, *, charset: str = "utf-8"
) -> dict[str, str]:
    """Add ``sign_type`` and ``sign`` to the fields of a notice or a return; empty ones go."""
    kept = {name: value for name, value in fields.items() if value != ""}
    sign = signature(message_string(kept), key, charset=charset)
    return {**kept, "sign_type": "RSA2", "sign": sign}


# -- keys ------------------------------------------------------------------------------------------


def public_key(text: str) -> RSAPublicKey:
    """Read a public key: PEM, or the bare base64 line that Alipay's console gives."""
    key = serialization.load_pem_public_key(_pem(text, "PUBLIC KEY"))
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA key")
    return key


def private_key(text: str) -> RSAPrivateKey:
    """Read a private key: PEM of PKCS#1 or PKCS#8, or bare base64 of either."""
    for label in ("RSA PRIVATE KEY", "PRIVATE KEY"):
        try:
            key = serialization.load_pem_private_key(_pem(text, label), password=None)
        except ValueError:
            continue
        if isinstance(key, RSAPrivateKey):
            return key
    raise ValueError("not an RSA private key")


def _pem(text: str, label: str) -> bytes:
    if "-----BEGIN" in text:
        return text.strip().encode()
    body = "\n".join(re.findall(".{1,64}", "".join(text.split())))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode()


def public_pem(key: RSAPublicKey) -> str:
    """``-----BEGIN PUBLIC KEY-----`` and so on."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def private_pem(key: RSAPrivateKey) -> str:
    """``-----BEGIN RSA PRIVATE KEY-----`` and so on: what SDKs other than Java's want."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def bare(pem: str) -> str:
    """The same key on one line, without header."""
    return "".join(line for line in pem.splitlines() if "-----" not in line)


# -- the answer ------------------------------------------------------------------------------------

FIRST = ("code", "msg", "sub_code", "sub_msg")


def node_text(node: Mapping[str, Any]) -> str:
    """Write an answer's node once; exactly this text is signed and sent.

    The four result keys come first, the others in alphabetical order; Chinese stays raw, and every
    ``/`` becomes ``\\/`` as Alipay's own serialiser writes it.
    """
    names = [name for name in FIRST if name in node]
    names += sorted(name for name in node if name not in FIRST)
    ordered = {name: node[name] for name in names}
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")


def node_name(method: str) -> str:
    """``alipay.trade.query`` is answered in ``alipay_trade_query_response``."""
    return method.replace(".", "_") + "_response"


def envelope(name: str, text: str, sign: str | None) -> str:
    """Put the node first and its signature after it: real clients depend on that order."""
    tail = "" if sign is None else f',"sign":"{sign}"'
    return f'{{"{name}":{text}{tail}}}'
