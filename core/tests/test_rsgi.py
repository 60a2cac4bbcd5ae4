"""The web server itself: what is sent slowly, too much, in pieces, or in strange headers."""

import contextlib
import json
import socket
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from conftest import login
from users.models import User

NOTIFY = "/payments/alipay/notify/"


def sent(shop: str, request: bytes) -> socket.socket:
    address = urlsplit(shop)
    connection = socket.create_connection((address.hostname, address.port), timeout=30)
    connection.sendall(request)
    return connection


def head(method: str, path: str, **headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def answer(connection: socket.socket) -> tuple[int, bytes]:
    with connection, connection.makefile("rb") as lines:
        status = int(lines.readline().split()[1])
        length = 0
        while (line := lines.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return status, lines.read(length)


@pytest.fixture
def half_sent(shop: str) -> Iterator[None]:
    """More requests that never end than the server has workers."""
    requests = [
        head("POST", NOTIFY, Content_Length="1000") + b"a=",
        head("POST", "/users/login/", Content_Length="1000"),
        head("POST", "/api/v1/users", Transfer_Encoding="chunked") + b"5\r\n{",
        b"GET / HTTP/1.1\r\nHost: local",
    ]
    with contextlib.ExitStack() as stack:
        for request in requests * 4:
            stack.enter_context(sent(shop, request))
        yield


def test_half_sent_requests_hold_nobody_up(shop: str, half_sent: None) -> None:
    for _ in range(10):
        with urllib.request.urlopen(f"{shop}/healthz", timeout=30) as page:
            assert page.status == 200


@pytest.mark.parametrize(
    ("path", "status", "words"), [(NOTIFY, 400, b"failure"), ("/api/v1/users", 413, b"too-large")]
)
def test_what_is_too_large_is_refused_before_it_is_sent(
    shop: str, path: str, status: int, words: bytes
) -> None:
    code, body = answer(sent(shop, head("POST", path, Content_Length="300000000")))

    assert (code, words in body) == (status, True)


def test_a_body_in_pieces_is_read(shop: str) -> None:
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in b"[]") + b"0\r\n\r\n"
    request = head(
        "POST", "/api/v1/users", Content_Type="application/json", Transfer_Encoding="chunked"
    )

    status, body = answer(sent(shop, request + pieces))

    assert (status, json.loads(body)["type"]) == (422, "urn:guitai:problem:invalid-input")


def test_a_body_in_too_many_pieces_is_refused(shop: str) -> None:
    piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    request = head("POST", "/api/v1/users", Transfer_Encoding="chunked")

    status, body = answer(sent(shop, request + 9 * piece))

    assert (status, json.loads(body)["status"]) == (413, 413)


def test_a_header_that_cannot_be_read_is_there_all_the_same(
    shop: str, transactional_db: None, operator: User
) -> None:
    """A key that the server has no text for would else be no key, and a refund repeated by it."""
    session = login(operator).cookies["sessionid"].value
    token = "x" * 32
    request = head(
        "POST",
        "/api/v1/orders/1/refunds",
        Content_Length="2",
        Content_Type="application/json",
        Cookie=f"sessionid={session}; csrftoken={token}",
        X_CSRFToken=token,
        Idempotency_Key="一",
    )

    status, body = answer(sent(shop, request + b"{}"))

    assert (status, json.loads(body)["type"]) == (400, "urn:guitai:problem:idempotency-key-invalid")


def test_a_header_with_an_underscore_is_not_anothers(shop: str) -> None:
    request = b"GET /users/login/ HTTP/1.1\r\nHost: localhost\r\nAccept%cLanguage: en\r\n\r\n"

    in_english, in_chinese = (answer(sent(shop, request % sign))[1] for sign in b"-_")

    assert b'<html lang="en">' in in_english
    assert b'<html lang="zh-hans">' in in_chinese
