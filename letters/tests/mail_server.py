"""A mail server for the tests: it speaks just enough SMTP, on a port of its own."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any


class MailServer(socketserver.ThreadingTCPServer):
    """What it took is in ``taken``; how it behaves can be changed at any time."""

    daemon_threads = allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.taken: list[EmailMessage] = []
        self.refused: set[str] = set()
        self.is_busy = self.is_hanging = self.drops_after_taking = False
        self.on_letter: Any = lambda: None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up in the middle is none of a test's concern."""


class Conversation(socketserver.StreamRequestHandler):
    server: MailServer

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        if self.server.is_hanging:
            time.sleep(3)
        self.say("220 mail.example")
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "RCPT" and self.server.is_busy:
                self.say("451 try again later")
            elif verb == "RCPT" and line.split("<")[1].split(">")[0] in self.server.refused:
                self.say("550 no such user")
            elif verb == "DATA":
                self.say("354 go on")
                self.take()
            else:
                self.say("250 well")
            if verb == "QUIT":
                return

    def take(self) -> None:
        raw = b""
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            raw += line.removeprefix(b".")
        self.server.on_letter()
        self.server.taken.append(message_from_bytes(raw, policy=policy.default))
        if self.server.drops_after_taking:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.say("250 taken")


@contextmanager
def mail_server(settings: Any) -> Iterator[MailServer]:
    """Start one, and let the shop send its mail there."""
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address[:2]
        settings.EMAIL_TIMEOUT = 1
        yield server
        server.shutdown()
