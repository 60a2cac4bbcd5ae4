"""Keys: the merchant's public key in, Alipay's public key out, Alipay's private key never.

Each app has a key pair of Alipay's side of its own. The private halves stay in the data folder.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from django.conf import settings

from . import wire

Key = TypeVar("Key")


class BadKey(Exception):
    """A key file cannot be used; the words say which and why."""


def new_key() -> RSAPrivateKey:
    """Make an RSA key of 2048 bits."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, where the system knows such a thing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="ascii")


@cache
def alipay_key(app_id: str) -> RSAPrivateKey:
    """Alipay's private key for an app; made on first use."""
    path = settings.DATA_DIR / "alipay_private_keys" / f"{app_id}.pem"
    if not path.exists():
        write_private(path, wire.private_pem(new_key()))
    return wire.private_key(path.read_text())


@cache
def stranger_key() -> RSAPrivateKey:
    """A key that is nobody's, for forgeries and wrong signatures."""
    return new_key()


@cache
def app_key(text: str) -> RSAPublicKey:
    """A merchant's public key, read once."""
    return wire.public_key(text)


def alipay_public_pem(app_id: str) -> str:
    """What the merchant must verify with."""
    return wire.public_pem(alipay_key(app_id).public_key())


def exchange(folder: Path, app_id: str) -> str:
    """Read the merchant's public key from its folder, leave Alipay's there, make what is missing.

    An ``alipay_public_key.pem`` of somebody else (the real Alipay's, say) is kept beside ours under
    the name ``alipay_public_key.previous.pem``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    public, private = folder / "app_public_key.pem", folder / "app_private_key.pem"
    if not public.exists():
        if not private.exists():
            write_private(private, wire.private_pem(new_key()))
        public.write_text(wire.public_pem(_read(private, wire.private_key).public_key()))
    app_public = wire.public_pem(_read(public, wire.public_key))
    if private.exists():
        own = wire.public_pem(_read(private, wire.private_key).public_key())
        if own != app_public:
            raise BadKey(f"{public} does not belong to {private}. Remove one of them.")

    ours, theirs = folder / "alipay_public_key.pem", alipay_public_pem(app_id)
    if ours.exists() and ours.read_text() != theirs:
        ours.replace(folder / "alipay_public_key.previous.pem")
    ours.write_text(theirs)
    return app_public


def _read(path: Path, reader: Callable[[str], Key]) -> Key:
    try:
        return reader(path.read_text())
    except (ValueError, UnicodeDecodeError) as reason:
        raise BadKey(f"{path} is not a key that can be used: {reason}") from reason
