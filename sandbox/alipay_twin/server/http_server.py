"""The HTTP server: threads in one process, so that everybody sees the same state at once.

It keeps connections open, takes request lines far longer than most servers do (merchants put whole
orders into the address), takes absolute-form targets, and can hang up without an answer.
"""

from __future__ import annotations

import io
import socket
import struct
import sys
from typing import Any
from urllib.parse import urlsplit

from django.core.handlers.wsgi import WSGIHandler
from django.core.servers import basehttp

LONGEST_REQUEST_LINE = 4 * 1024 * 1024


class Handler(basehttp.ServerHandler):
    """Writes the answer, or hangs up if the application said so."""

    environ: dict[str, Any]
    result: Any
    request_handler: RequestHandler

    def finish_response(self) -> None:
        how = self.environ.get("alipay_twin.hang_up")
        if not how:
            super().finish_response()
            return
        self.result.close()
        self.headers_sent = True
        self.request_handler.hang_up(reset=how == "reset")
        self.close()


class RequestHandler(basehttp.WSGIRequestHandler):
    """Reads requests one after the other from one connection."""

    server: Server
    connection: Any

    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(LONGEST_REQUEST_LINE + 1)
        if len(self.raw_requestline) > LONGEST_REQUEST_LINE:
            self.requestline = self.request_version = self.command = ""
            self.send_error(414)
            return
        if not self.parse_request():
            return
        target = urlsplit(self.path)
        if target.scheme and target.netloc:
            self.path = target._replace(scheme="", netloc="").geturl() or "/"
        handler = Handler(
            self.rfile, self.wfile, io.StringIO(), self.get_environ(), multithread=True
        )
        handler.request_handler = self
        handler.run(self.server.serves)

    def handle(self) -> None:
        self.close_connection = True
        self.handle_one_request()
        while not self.close_connection:
            self.handle_one_request()

    def hang_up(self, *, reset: bool) -> None:
        """Close the connection without a word; with a reset, rudely."""
        self.close_connection = True
        if reset:
            linger = struct.pack(LINGER, 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.server.to_reset.add(self.connection)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing: the request log has it."""


# Windows has two shorts in its linger structure, everybody else two ints.
LINGER = "hh" if sys.platform == "win32" else "ii"


class Server(basehttp.ThreadedWSGIServer):
    """One thread a connection."""

    request_queue_size = 128

    def __init__(self, host: str, port: int) -> None:
        self.to_reset: set[socket.socket] = set()
        super().__init__((host, port), RequestHandler, ipv6=":" in host, allow_reuse_address=REUSE)
        self.serves = WSGIHandler()

    def server_bind(self) -> None:
        # The standard library asks DNS for this machine's name here, which can take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(REUSE))
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def shutdown_request(self, request: Any) -> None:
        if request in self.to_reset:
            self.to_reset.discard(request)
            self.close_request(request)  # without the polite goodbye
        else:
            super().shutdown_request(request)


# On Windows the option lets two processes listen at one port, so it is left alone there.
REUSE = sys.platform != "win32"
