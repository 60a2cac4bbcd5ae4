"""A merchant as the sandbox meets it: over HTTP, with a key pair and a signing rule of its own.

Nothing here comes from the sandbox's code, so that one mistake cannot cancel the other.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.cookiejar import CookieJar
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from urllib.request import (
    HTTPCookieProcessor,
    HTTPRedirectHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ROOT = Path(__file__).resolve().parents[1]
BEIJING = timezone(timedelta(hours=8))
PAGE = {"product_code": "FAST_INSTANT_TRADE_PAY"}


def beijing(instant: datetime | None = None) -> str:
    return (instant or datetime.now(BEIJING)).astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


# -- the process -----------------------------------------------------------------------------------


class Process:
    """``python -m alipay_twin``, as anybody would start it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "alipay_twin",
                "--port",
                "0",
                "--print-ready",
                "--keys",
                str(folder / "keys"),
                "--data",
                str(folder / "data"),
                *options,
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "it did not start"
        self.ready: dict[str, Any] = json.loads(line)
        self.address: str = self.ready["address"]
        self.gateway: str = self.ready["gateway"]

    def control(self, verb: str, path: str, body: Any = None) -> Any:
        """Call the control API; what it says must be fine."""
        status, answer = self.ask(verb, f"/control{path}", body)
        assert status < 400, answer
        return answer

    def ask(self, verb: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send JSON, whatever comes of it."""
        request = Request(
            self.address + path,
            method=verb,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
        )
        try:
            with browser().open(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            text = error.read().decode()
            is_json = "json" in error.headers["Content-Type"]
            return error.code, json.loads(text) if is_json else text

    def kill(self) -> None:
        """As ``kill -9`` does."""
        self._process.kill()
        self._end()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._end()

    def _end(self) -> None:
        self._process.wait(timeout=30)
        assert self._process.stdout
        self._process.stdout.close()


# -- the merchant's own server ---------------------------------------------------------------------


@dataclass
class Heard:
    """One notice as it arrived."""

    fields: dict[str, str]
    headers: dict[str, str]
    raw: bytes
    at: float


class Shop:
    """Where notices go. ``answer`` says what is answered."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answer: Callable[[Heard], tuple[int, str] | None] = lambda heard: (200, "success")
        self._news = threading.Condition()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                fields = dict(parse_qsl(raw.decode("ascii"), keep_blank_values=True))
                heard = Heard(fields, dict(self.headers), raw, time.monotonic())
                with shop._news:
                    shop.heard.append(heard)
                    shop._news.notify_all()
                said = shop.answer(heard)
                if said is None:
                    return
                status, body = said
                self.send_response(status)
                if status in (301, 302, 307):
                    self.send_header("Location", f"{shop.address}/elsewhere/")
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self.notify_url = f"{self.address}/notify/"
        self.return_url = f"{self.address}/return/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def wait(self, count: int, seconds: float = 10) -> list[Heard]:
        """Wait until so many notices have arrived."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.heard) >= count, seconds), self.heard
        return self.heard

    def forget(self) -> None:
        self.heard.clear()
        self.answer = lambda heard: (200, "success")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


# -- the merchant ----------------------------------------------------------------------------------


@dataclass
class Merchant:
    """Signs calls, verifies what comes back."""

    process: Process
    key: rsa.RSAPrivateKey
    alipay_key: rsa.RSAPublicKey
    app_id: str
    shop: Shop
    connection: http.client.HTTPConnection | None = None
    raw: str = field(default="", repr=False)

    def parameters(self, name: str, biz: Any, **public: str | None) -> dict[str, str]:
        """The signed parameters of a call; None leaves one out, ``sign`` may be given."""
        text = biz if isinstance(biz, str) else json.dumps(biz, ensure_ascii=False)
        given = {
            "app_id": self.app_id,
            "method": name,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": beijing(),
            "version": "1.0",
            "biz_content": text,
            **public,
        }
        kept = {name: value for name, value in given.items() if value is not None}
        if "sign" not in public:
            kept["sign"] = sign(kept, self.key)
        return kept

    def send(
        self, parameters: dict[str, str], *, shape: str = "query", encoding: str = "utf-8"
    ) -> tuple[int, dict[str, str], bytes]:
        """Send parameters the way one kind of client does; redirects are not followed."""
        public = {name: text for name, text in parameters.items() if name != "biz_content"}
        rest = {name: text for name, text in parameters.items() if name not in public}
        query, body = {
            "query": (parameters, {}),
            "both": (public, rest),
            "charset": ({"charset": parameters.get("charset", "")}, parameters),
            "body": ({}, parameters),
        }[shape]
        verb = "GET" if shape == "query" else "POST"
        coded = urlencode(query, encoding=encoding)
        target = "/gateway.do" + (f"?{coded}" if coded else "")
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        if shape == "body":
            headers["Content-Type"] += f";charset={encoding}"
        self.connection = self.connection or http.client.HTTPConnection(
            urlsplit(self.process.address).netloc, timeout=30
        )
        data = urlencode(body, encoding=encoding).encode() if body else None
        self.connection.request(verb, target, data, headers)
        answer = self.connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()

    def call(self, method: str, biz: Any, shape: str = "query", **public: str | None) -> Any:
        """Call an API, check that Alipay signed the answer, give its node."""
        status, _, body = self.send(self.parameters(method, biz, **public), shape=shape)
        assert status == 200, body
        return self.verified(method, body.decode())

    def verified(self, method: str, body: str, encoding: str = "utf-8") -> Any:
        """Take the node out of an answer and check the signature over its very text."""
        self.raw = body
        name = method.replace(".", "_") + "_response"
        match = re.fullmatch(rf'{{"{name}":(\{{.*\}}),"sign":"([A-Za-z0-9+/=]+)"}}', body, re.S)
        assert match, body
        assert is_signed(match[1], match[2], self.alipay_key, encoding), "wrong signature"
        return json.loads(match[1])

    def page_pay(self, out_trade_no: str, amount: Any = "10.00", **more: Any) -> tuple[int, str]:
        """Send a buyer's browser; give the status and where it is sent, or the page."""
        public = {name: more.pop(name) for name in ("notify_url", "return_url") if name in more}
        urls = {"notify_url": self.shop.notify_url, "return_url": self.shop.return_url, **public}
        method = f"alipay.trade.{more.pop('product', 'page')}.pay"
        biz = {"out_trade_no": out_trade_no, "total_amount": amount, "subject": "茶 tea", **PAGE}
        status, headers, body = self.send(self.parameters(method, {**biz, **more}, **urls))
        return status, headers.get("Location") or body.decode()

    def paid(self, out_trade_no: str, amount: Any = "10.00", **more: Any) -> Any:
        """A trade that a buyer has paid."""
        status, where = self.page_pay(out_trade_no, amount, **more)
        assert status == 302, where
        return self.process.control("POST", f"/trades/{quote(out_trade_no)}/pay")

    def query(self, out_trade_no: str) -> Any:
        return self.call("alipay.trade.query", {"out_trade_no": out_trade_no})

    def close(self, out_trade_no: str) -> Any:
        return self.call("alipay.trade.close", {"out_trade_no": out_trade_no})

    def refund(self, out_trade_no: str, amount: Any, number: str | None = None) -> Any:
        biz = {"out_trade_no": out_trade_no, "refund_amount": amount}
        return self.call(
            "alipay.trade.refund", biz | ({"out_request_no": number} if number else {})
        )

    def hang_up(self) -> None:
        if self.connection:
            self.connection.close()

    def hears(self, heard: Heard) -> bool:
        """Say whether Alipay signed that notice."""
        return self.verifies(heard.fields)

    def verifies(self, fields: dict[str, str]) -> bool:
        text = joined({n: v for n, v in fields.items() if n not in ("sign", "sign_type")})
        return is_signed(text, fields.get("sign", ""), self.alipay_key)


def joined(fields: dict[str, str]) -> str:
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields))


def sign(parameters: dict[str, str], key: rsa.RSAPrivateKey, *, encoding: str = "utf-8") -> str:
    text = joined({name: text for name, text in parameters.items() if text and name != "sign"})
    return signed_text(text, key, encoding=encoding)


def signed_text(text: str, key: rsa.RSAPrivateKey, *, encoding: str = "utf-8") -> str:
    raw = key.sign(text.encode(encoding), padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(raw).decode()


def is_signed(text: str, signature: str, key: rsa.RSAPublicKey, encoding: str = "utf-8") -> bool:
    try:
        raw = base64.b64decode(signature)
        key.verify(raw, text.encode(encoding), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def read_public(pem: str) -> rsa.RSAPublicKey:
    key = serialization.load_pem_public_key(pem.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    return key


# -- the buyer's browser ---------------------------------------------------------------------------


class _StayHere(HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


def browser(*, follow: bool = True) -> OpenerDirector:
    """A browser with cookies and without a proxy."""
    handlers: list[Any] = [ProxyHandler({}), HTTPCookieProcessor(CookieJar())]
    return build_opener(*handlers, *([] if follow else [_StayHere]))


@dataclass
class Buyer:
    """Looks at pages, fills in forms; redirects are shown, not followed."""

    address: str
    opener: OpenerDirector = field(default_factory=lambda: browser(follow=False))
    page: str = ""
    status: int = 0
    location: str = ""

    def get(self, path: str, **headers: str) -> str:
        return self._open(Request(self._url(path), headers=headers))

    def post(self, path: str, **fields: str) -> str:
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', self.page)
        data = urlencode({"csrfmiddlewaretoken": token[1] if token else "", **fields}).encode()
        return self._open(Request(self._url(path), data=data))

    def _url(self, path: str) -> str:
        return path if path.startswith("http") else self.address + path

    def _open(self, request: Request) -> str:
        try:
            answer: Any = self.opener.open(request, timeout=30)
        except HTTPError as error:
            answer = error
        with answer:
            self.status = answer.code
            self.location = answer.headers.get("Location", "")
            text: str = answer.read().decode()
        if self.status == 200:
            self.page = text
        return text
