"""Each letter is sent once, whoever dies or hangs meanwhile; the mail server is a real one."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.utils import timezone

from conftest import make_order, make_product
from letters import post, tasks
from letters.checks import check_letters
from letters.models import Letter
from letters.tests.mail_server import MailServer, mail_server
from orders.models import Event, Order
from payments.models.payment import Payment
from payments.tests.test_settle import trade_of
from products.models import Product
from users.models import User

DAY = timedelta(days=1)
# Until a test gives up waiting for what must come.
PATIENCE = 60  # seconds


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with mail_server(settings) as server:
        yield server


def reader(name: str = "alice", **fields: str) -> User:
    return User.objects.create_user(name, f"{name}@example.com", **{"language": "en"} | fields)


@pytest.fixture
def order(db: None, tea: Product) -> Order:
    return make_order(reader(), tea)


def work() -> None:
    """Do what the worker does four times a minute."""
    post.write_letters()
    post.send_what_is_due()


def make_due() -> None:
    Letter.objects.filter(due_at__isnull=False).update(due_at=timezone.now())


def statuses() -> list[str]:
    return list(Letter.objects.order_by("id").values_list("status", flat=True))


def test_a_letter_arrives_whole(order: Order, server: MailServer) -> None:
    work()
    work()

    (taken,) = server.taken
    letter = Letter.objects.get()
    assert letter.status == "SENT"
    assert letter.sent_at
    assert letter.due_at is None
    assert (taken["To"], taken["Message-ID"]) == (letter.to, f"<{letter.number}@localhost>")
    assert taken["Subject"] == f"Order received: order {order.order_id}"
    assert [part.get_content_type() for part in taken.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    plain = taken.get_body(("plain",))
    assert plain
    assert "龙井 tea" in plain.get_content()


def test_chinese_arrives_whole(tea: Product, db: None, server: MailServer) -> None:
    make_order(reader(language="zh-hans"), tea)

    work()

    (taken,) = server.taken
    assert taken["Content-Language"] == "zh-CN"
    html = taken.get_body(("html",))
    assert html
    assert "柜台" in html.get_content()


def test_nobody_without_an_address_gets_one(alice: User, tea: Product, server: MailServer) -> None:
    assert alice.email == ""
    make_order(alice, tea)
    make_order(reader("bob"), tea)

    work()

    assert [message["To"] for message in server.taken] == ["bob@example.com"]
    assert Letter.objects.count() == 1


def test_what_was_rolled_back_is_not_told(order: Order, server: MailServer) -> None:
    with transaction.atomic():
        order.cancel(by=order.user)
        assert Event.objects.filter(what="CANCELLED").exists()
        transaction.set_rollback(True)

    work()

    assert list(Letter.objects.values_list("kind", flat=True)) == ["PLACED"]


def test_what_is_older_than_a_day_is_not_told(order: Order, server: MailServer) -> None:
    later = timezone.now() + DAY + timedelta(minutes=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timezone, "now", lambda: later)
        assert post.write_letters() == 0

    assert post.write_letters() == 1


def test_one_whose_transaction_ends_late_is_told_too(order: Order, server: MailServer) -> None:
    """An event with a smaller id than one that was told already."""
    late = Event.objects.get()
    order.record(Event.What.PAID)
    newer = Event.objects.latest("id")
    Letter.of(newer).save()

    assert [event.pk for event in post.events_to_tell()] == [late.pk]


def test_a_mail_server_that_is_gone_is_tried_again(order: Order, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 9, 1
    work()
    letter = Letter.objects.get()
    assert (letter.status, letter.tries) == ("WAITING", 1)
    assert letter.due_at
    assert letter.due_at > timezone.now() + timedelta(minutes=4)
    assert "Refused" in letter.last_error

    with mail_server(settings) as server:
        work()
        assert server.taken == []  # its time has not come
        make_due()
        work()

    assert len(server.taken) == 1
    assert (statuses(), Letter.objects.get().last_error) == (["SENT"], "")


def test_a_mail_server_that_is_gone_uses_up_one_letters_try(tea: Product, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 9, 1
    user = reader()
    for _ in range(3):
        make_order(user, tea)

    work()

    assert sorted(Letter.objects.values_list("tries", flat=True)) == [0, 0, 1]


def test_a_bad_address_stops_nobody(tea: Product, db: None, server: MailServer) -> None:
    for name in ("gone", "bob", "carol"):
        make_order(reader(name), tea)
    server.refused.add("gone@example.com")

    work()

    assert [message["To"] for message in server.taken] == ["bob@example.com", "carol@example.com"]
    assert statuses() == ["WAITING", "SENT", "SENT"]
    assert "no such user" in Letter.objects.get(to="gone@example.com").last_error


@pytest.mark.parametrize("address", ["x@example.com\nBcc: y@example.com", "no address", "@"])
def test_what_is_no_address_stops_nobody(
    tea: Product, db: None, server: MailServer, address: str
) -> None:
    make_order(User.objects.create_user("broken", address), tea)
    User.objects.filter(username="broken").update(email=address)
    make_order(reader("bob"), tea)
    server.refused |= {"no address", "@", ""}

    work()

    assert [message["To"] for message in server.taken] == ["bob@example.com"]
    assert statuses() == ["WAITING", "SENT"]


def test_a_letter_that_can_not_be_made_stops_nobody(
    tea: Product, db: None, server: MailServer
) -> None:
    broken = make_order(reader("broken"), tea)
    broken.record(Event.What.REFUND_DONE, about="of nothing")
    make_order(reader("bob"), tea)

    work()

    assert statuses() == ["SENT", "WAITING", "SENT"]
    for _ in range(Letter.MAX_TRIES):
        make_due()
        work()
    assert statuses() == ["SENT", "FAILED", "SENT"]


def test_it_is_given_up_in_the_end(order: Order, server: MailServer) -> None:
    server.is_busy = True
    pauses = []
    for _ in range(Letter.MAX_TRIES - 1):
        work()
        letter = Letter.objects.get()
        assert letter.due_at
        pauses.append(round((letter.due_at - timezone.now()).total_seconds() / 60))
        make_due()
    assert statuses() == ["WAITING"]

    work()

    assert statuses() == ["FAILED"]
    assert Letter.objects.get().due_at is None
    assert pauses == sorted(pauses)
    assert sum(pauses) == 24 * 60
    server.is_busy = False
    work()
    assert server.taken == []


def test_a_mail_server_that_hangs_costs_one_timeout(
    tea: Product, db: None, server: MailServer
) -> None:
    for name in ("alice", "bob", "carol"):
        make_order(reader(name), tea)
    server.is_hanging = True

    begun = time.monotonic()
    work()

    assert time.monotonic() - begun < 2
    assert sorted(Letter.objects.values_list("tries", flat=True)) == [0, 0, 1]
    server.is_hanging = False
    make_due()
    work()
    assert len(server.taken) == 3


def test_taken_but_not_confirmed_comes_again_with_the_same_message_id(
    order: Order, server: MailServer
) -> None:
    server.drops_after_taking = True
    work()
    server.drops_after_taking = False
    make_due()

    work()

    assert statuses() == ["SENT"]
    assert len(server.taken) == 2
    assert server.taken[0]["Message-ID"] == server.taken[1]["Message-ID"]


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_each_letter_once(server: MailServer) -> None:
    user, tea = reader(), make_product(stock=100)
    orders = [make_order(user, tea) for _ in range(20)]
    together = threading.Barrier(4)

    def worker(_: int) -> None:
        together.wait()
        try:
            for _ in range(3):
                work()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(worker, range(4)))

    subjects = Counter(message["Subject"].split()[-1] for message in server.taken)
    assert subjects == Counter(order.order_id for order in orders)
    assert statuses() == ["SENT"] * 20


@pytest.mark.django_db(transaction=True)
def test_no_mail_is_sent_inside_a_transaction(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    really = EmailMultiAlternatives.message

    def watched(message: Any, **options: Any) -> Any:
        seen.append(connection.in_atomic_block)
        return really(message, **options)

    monkeypatch.setattr(EmailMultiAlternatives, "message", watched)
    make_order(reader(), make_product())

    work()

    assert (len(server.taken), set(seen)) == (1, {False})


KILLED = """
import os, signal
import django
django.setup()
from letters import post
from letters.models import Letter
when = os.environ["WHEN"]
def die(*args, **options):
    os.kill(os.getpid(), signal.SIGKILL) if hasattr(signal, "SIGKILL") else os._exit(9)
if when == "before sending":
    post.message_of = die
else:
    Letter.mark_sent = die
post.write_letters()
post.send_what_is_due()
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("when", "arrived"), [("before sending", 1), ("after sending", 2)])
def test_killed_on_the_way_it_is_sent_later(server: MailServer, when: str, arrived: int) -> None:
    make_order(reader(), make_product())
    database = connections.databases["default"]
    if connection.vendor == "sqlite":
        url = f"sqlite:///{database['NAME']}"
    else:
        configured = urlsplit(os.environ["DATABASE_URL"])
        url = configured._replace(path=f"/{database['NAME']}").geturl()
    host, port = server.server_address[:2]
    process = subprocess.run(
        [sys.executable, "-c", KILLED],
        cwd=Path(__file__).parents[2],
        env=os.environ
        | {
            "WHEN": when,
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "core.settings",
            "EMAIL_URL": f"smtp://{host!s}:{port}",
        },
        check=False,
    )
    assert process.returncode in (-9, 9, -getattr(signal, "SIGKILL", 9))
    assert statuses() == ["WAITING"]
    work()
    assert len(server.taken) == arrived - 1  # not before its next try

    make_due()
    work()

    assert statuses() == ["SENT"]
    assert len(server.taken) == arrived
    assert len({message["Message-ID"] for message in server.taken}) == 1


@pytest.mark.django_db(transaction=True)
def test_a_slow_mail_server_does_not_keep_the_second_thread(
    server: MailServer, settings: Any
) -> None:
    settings.EMAIL_TIMEOUT = PATIENCE
    alice, tea = reader(), make_product()
    make_order(alice, tea)
    is_here, may_go_on = threading.Event(), threading.Event()

    def wait() -> None:
        server.on_letter = lambda: None
        is_here.set()
        assert may_go_on.wait(PATIENCE)

    server.on_letter = wait

    def first() -> None:
        try:
            tasks.letters_that_are_due.call_local()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(first)
        try:
            assert is_here.wait(PATIENCE)
            make_order(alice, tea)  # there is a letter that the second could send
            tasks.letters_that_are_due.call_local()
            assert server.taken == []
        finally:
            may_go_on.set()
        sending.result()

    assert len(server.taken) == 1
    tasks.letters_that_are_due.call_local()
    assert len(server.taken) == 2


def test_the_sale_itself_writes_no_letter(order: Order) -> None:
    payment = Payment.objects.attempt(order)
    payment.settle(trade_of(payment))

    assert Letter.objects.count() == 0
    assert mail.outbox == []
    assert post.write_letters() == 2


@pytest.mark.parametrize("rows", [1, 3])
def test_looking_for_what_is_untold_is_one_query(
    tea: Product, db: None, rows: int, django_assert_num_queries: Any
) -> None:
    user = reader()
    for _ in range(rows):
        make_order(user, tea)

    with django_assert_num_queries(2):  # and one that writes
        post.write_letters()
    with django_assert_num_queries(1):
        post.write_letters()


def test_by_hand(order: Order) -> None:
    def said(*options: str) -> str:
        out = StringIO()
        call_command("send_letters", *options, stdout=out)
        return out.getvalue()

    assert said("--dry-run") == f"To be written: PLACED {order}\n"
    post.write_letters()
    assert said("--dry-run") == f"To be sent: PLACED {order}\n"
    assert mail.outbox == []
    assert said() == "Letters written: 0\nLetters tried: 1\n"
    assert said("--dry-run") == ""
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    ("backend", "url", "found"),
    [
        ("smtp", "", ["letters.W001"]),
        ("console", "", []),
        ("smtp", "https://shop.example", []),
        ("smtp", "shop.example", ["letters.E001"]),
        ("console", "javascript:alert(1)", ["letters.E001"]),
    ],
)
def test_check_says_that_links_would_be_missing(
    settings: Any, backend: str, url: str, found: list[str]
) -> None:
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"
    settings.SHOP_URL = url

    assert [message.id for message in check_letters()] == found
