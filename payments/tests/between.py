"""A line between the shop and Alipay, that passes each call on, and spoils the ones it is told to.

Beside the sandbox's own faults, which are an Alipay's that is unwell, these are the network's and
those of whatever stands before a shop: a call that waits, goes twice, overtakes another, or never
arrives; an answer that is lost on its way back.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

# How long a call that is delayed waits: less than the shop's patience.
A_WHILE = 0.3  # seconds
# How long one that is swallowed is held: more than the patience of whoever called.
TOO_LONG = 2.5
# How long two that are to change places wait for each other: the caller must have more patience.
PATIENCE = 15


@dataclass
class Call:
    """One request, which can be passed on any number of times."""

    line: Line
    command: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def method(self) -> str:
        """Alipay's method, or nothing, as in a notice."""
        sent = parse_qs(f"{urlsplit(self.path).query}&{self.body.decode('latin-1')}")
        return sent.get("method", [""])[0]

    def pass_on(self) -> Answer:
        target = http.client.HTTPConnection(self.line.to, timeout=20)
        target.request(self.command, self.path, self.body, self.headers)
        answer = target.getresponse()
        told = Answer(answer.status, answer.headers.get("Content-Type", ""), answer.read())
        target.close()
        return told


@dataclass
class Answer:
    status: int
    content_type: str
    body: bytes


class NoAnswer(Exception):
    """The connection is closed without a word, or reset."""

    def __init__(self, *, rudely: bool = False) -> None:
        self.rudely = rudely


Spoil = Callable[[Call], Answer]


class Line:
    """Listens at an address of its own, and passes on to another."""

    def __init__(self, to: str) -> None:
        self.to = to  # host:port
        self.calls = 0
        self._spoils: list[tuple[str, Spoil]] = []
        self._lock = threading.Lock()
        line = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                line.serve(self)

            def do_GET(self) -> None:
                line.serve(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"

    def spoil(self, *spoils: Spoil, method: str = "") -> None:
        """Spoil the next calls of a method, one each."""
        self._spoils += [(method, spoil) for spoil in spoils]

    def is_clean(self) -> bool:
        """Whether everything that was to be spoiled was."""
        return not self._spoils

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        call = Call(self, handler.command, handler.path, dict(handler.headers.items()), body)
        try:
            answer = self._spoil_of(call)(call)
        except NoAnswer as silence:
            hang_up(handler, rudely=silence.rudely)
            return
        handler.send_response(answer.status)
        handler.send_header("Content-Type", answer.content_type)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)

    def _spoil_of(self, call: Call) -> Spoil:
        with self._lock:
            self.calls += 1
            for number, (method, spoil) in enumerate(self._spoils):
                if method == call.method:
                    del self._spoils[number]
                    return spoil
        return Call.pass_on


def hang_up(handler: BaseHTTPRequestHandler, *, rudely: bool) -> None:
    handler.close_connection = True
    if rudely:
        at_once = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)


@contextmanager
def line_to(address: str) -> Iterator[Line]:
    """A line to the server at an address."""
    line = Line(urlsplit(address).netloc)
    thread = threading.Thread(target=line.server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield line
    finally:
        line.server.shutdown()
        line.server.server_close()
        thread.join()


# -- what can happen to a call ---------------------------------------------------------------------


def delayed(call: Call) -> Answer:
    time.sleep(A_WHILE)
    return call.pass_on()


def duplicated(call: Call) -> Answer:
    """It goes twice, and the answer to the first is lost."""
    call.pass_on()
    return call.pass_on()


def dropped(call: Call) -> Answer:
    raise NoAnswer


def shuffled() -> list[Spoil]:
    """Two calls under way at once, of which the first gets its answer after the second."""
    second_has_come, first_is_done, second_is_done = (threading.Event() for _ in range(3))

    def first(call: Call) -> Answer:
        assert second_has_come.wait(PATIENCE)
        answer = call.pass_on()
        first_is_done.set()
        assert second_is_done.wait(PATIENCE)
        return answer

    def second(call: Call) -> Answer:
        second_has_come.set()
        assert first_is_done.wait(PATIENCE)
        answer = call.pass_on()
        second_is_done.set()
        return answer

    return [first, second]


def swallowed(call: Call) -> Answer:
    """It never arrives, and the caller waits in vain."""
    time.sleep(TOO_LONG)
    raise NoAnswer


def answer_swallowed(call: Call) -> Answer:
    """It arrives and is done, and the caller waits in vain for the answer."""
    call.pass_on()
    time.sleep(TOO_LONG)
    raise NoAnswer


def answer_500(call: Call) -> Answer:
    call.pass_on()
    return Answer(500, "text/plain", b"Internal Server Error")


def answer_html(call: Call) -> Answer:
    call.pass_on()
    return Answer(200, "text/html", b"<html><body><h1>Welcome</h1></body></html>")


def answer_reset(call: Call) -> Answer:
    call.pass_on()
    raise NoAnswer(rudely=True)
