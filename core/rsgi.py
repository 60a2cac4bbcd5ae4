"""The entry point of the web server, granian: a request is read whole before the shop sees it.

Granian's event loop reads what clients send; a thread that knows nothing of sockets answers, one
request after the other. So a client that sends or reads a byte a second holds a connection, and
nobody up. Why granian, and why not by WSGI: docs/adr/0018; why one thread: docs/adr/0004.

    1. read     the body, to its end: within PATIENCE, and no more than its address may have
    2. answer   by core.wsgi, in the one thread
    3. send     the answer; what is streamed, piece by piece

    granian --interface rsgi core.rsgi:shop --workers 2

https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md
"""

import asyncio
import contextlib
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]

from core.body_limits import body_limit
from core.wsgi import application

# Seconds for a body to come whole.
PATIENCE = 60
# Bytes of bodies that a process holds at a time; more are sent away.
MAX_HELD = 128 * 1024 * 1024


class TooMuchHeld(Exception):
    pass


class Shop:
    """The shop in one process of the server."""

    def __init__(self) -> None:
        allow_many_connections()
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.held = 0

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        body = bytearray()
        try:
            async with asyncio.timeout(PATIENCE):
                environ = await self.read(scope, protocol, body)
        except TimeoutError:
            protocol.response_empty(408, [("connection", "close")])
        except TooMuchHeld:
            protocol.response_empty(503, [("retry-after", "60"), ("connection", "close")])
        else:
            await self.answer(environ, protocol)
        finally:
            self.held -= len(body)

    async def read(self, scope: Scope, protocol: HTTPProtocol, body: bytearray) -> dict[str, Any]:
        """Read what was sent, and return it as WSGI's environ.

        Of what is too large nothing is kept: the shop refuses it for its length.
        """
        environ = environ_of(scope)
        limit = body_limit(environ["PATH_INFO"])
        told = environ.get("CONTENT_LENGTH", "")
        length = int(told) if told.isdigit() else 0
        if length <= limit and (length or "HTTP_TRANSFER_ENCODING" in environ):
            async for piece in protocol:
                self.held += len(piece)
                body += piece
                if self.held > MAX_HELD:
                    raise TooMuchHeld
                length = len(body)
                if length > limit:
                    break
        is_whole = length <= limit
        return environ | {
            "CONTENT_LENGTH": str(length),
            "wsgi.input": BytesIO(body if is_whole else b""),
        }

    async def answer(self, environ: dict[str, Any], protocol: HTTPProtocol) -> None:
        start = Start()
        content = await self.in_thread(respond, environ, start)
        if isinstance(content, bytes):
            protocol.response_bytes(start.status, start.headers, content)
            return
        transport = protocol.response_stream(start.status, start.headers)
        pieces = iter(content)
        try:
            while (piece := await self.in_thread(next, pieces, None)) is not None:
                await transport.send_bytes(piece)
        finally:
            await self.in_thread(content.close)

    async def in_thread(self, function: Any, *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.thread, function, *arguments)


def allow_many_connections() -> None:
    """Let this process have as many open files as the machine allows it; Windows has no limit."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415  Windows has none

        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Start:
    """WSGI's ``start_response``."""

    status = 500
    headers: list[tuple[str, str]] = []

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        self.status, self.headers = int(status.partition(" ")[0]), headers


def respond(environ: dict[str, Any], start: Any) -> Any:
    """Return the whole content of an answer, or the response that it is streamed from."""
    response: Any = application(environ, start)
    if getattr(response, "streaming", False):
        return response
    try:
        return b"".join(response)
    finally:
        response.close()


def environ_of(scope: Scope) -> dict[str, Any]:
    """Return a request's head as PEP 3333 wants it: text is bytes, each a Latin-1 character."""
    server, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if scope.authority:
        environ["HTTP_HOST"] = scope.authority
    for name, value in scope.headers.items():
        key = key_of(name)
        parted_by = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{parted_by}{value}" if key in environ else value
    # Granian has no text of what is not ASCII; that it was sent must not be lost.
    for name in scope.headers.keys():  # noqa: SIM118  it is no dict
        environ.setdefault(key_of(name), "")
    return environ


def key_of(name: str) -> str:
    key = name.upper().replace("-", "_")
    # One that already has an underscore could be taken for another's header.
    if "_" in name:
        return f"IGNORED_{key}"
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


shop = Shop()
