"""Somebody who has an app at the sandbox too, and writes what they like."""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

BEIJING = timezone(timedelta(hours=8))


class Merchant:
    app_id = "9021000000000666"
    seller_id = "2088000000000666"

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)

    @property
    def public_key(self) -> str:
        """In PEM, as the sandbox takes it."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    def query(self, **parameters: str) -> str:
        """Sign a call, and return it as the query of its address."""
        given = {
            "app_id": self.app_id,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": f"{datetime.now(BEIJING):%Y-%m-%d %H:%M:%S}",
            "version": "1.0",
            **parameters,
        }
        text = "&".join(f"{name}={given[name]}" for name in sorted(given) if given[name])
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return urlencode(given | {"sign": base64.b64encode(signature).decode()})


@contextmanager
def server(answer: str) -> Iterator[str]:
    """Answer every notice in these words; give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer.encode())))
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}/"
    finally:
        listening.shutdown()
        listening.server_close()
