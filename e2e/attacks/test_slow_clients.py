"""Row 4: five hundred clients that send a byte a second keep nobody from the shop."""

import contextlib
import socket
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

from e2e.steps import House

CLIENTS = 500
HEADS = (
    b"POST /payments/alipay/notify/ HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n",
    b"POST /users/login/ HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n",
    b"POST /i18n/setlang/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9999\r\n",
    b"GET / HTTP/1.1\r\nHost: ",
)


def test_slow_clients_keep_nobody_from_the_product_page(house: House) -> None:
    usual = time_of_a_page(house)

    with slow_clients(house):
        beside_them = time_of_a_page(house)

    assert beside_them <= 2 * usual


def time_of_a_page(house: House) -> float:
    """Return the seconds of the quicker half: what else this machine does is not the question."""
    times = []
    for _ in range(60):
        began = time.perf_counter()
        with urllib.request.urlopen(f"{house.shop}/products/1/", timeout=30) as page:
            page.read()
        times.append(time.perf_counter() - began)
    return statistics.quantiles(times, n=4)[0]


@contextlib.contextmanager
def slow_clients(house: House) -> Iterator[None]:
    address = urlsplit(house.shop)
    is_over = threading.Event()
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection((address.hostname, address.port)))
            for _ in range(CLIENTS)
        ]
        for number, client in enumerate(clients):
            client.sendall(HEADS[number % len(HEADS)])

        def send_on() -> None:
            while not is_over.wait(1):
                for client in clients:
                    with contextlib.suppress(OSError):  # the shop may have had enough of it
                        client.sendall(b"a")

        sender = threading.Thread(target=send_on)
        sender.start()
        try:
            yield
        finally:
            is_over.set()
            sender.join()
