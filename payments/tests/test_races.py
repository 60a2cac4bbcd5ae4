"""Two at once at one order's money: whoever comes first, there is one outcome, and it is right.

Each side has its own thread and connection. The first is stopped between two named steps; there
the second does all of its work, or as much as the locks of the first allow; then the first goes
on. The worker's next tick must leave money, order and stock in agreement with Alipay's books.
"""

import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from unittest import mock
from urllib.parse import urlencode, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from conftest import Sandbox, login, make_order, make_product
from orders import checkout
from orders.exceptions import OrderNotCancellable, TooManyUnpaid
from orders.models import Event, Order
from payments import alipay, expiry, journal, notify, refunds
from payments.exceptions import CancelLater, RefundTooHigh
from payments.models.notice import Notice
from payments.models.payment import Payment, PaymentQuerySet
from payments.models.refund import Refund
from payments.query import ask
from payments.tests.alipay_side import returned
from payments.tests.test_attempts import PHONE
from payments.tests.test_expiry import let_time_pass, tick
from payments.tests.test_notify import post
from products.models import Product
from users.models import User

pytestmark = pytest.mark.slow

TOTAL = Decimal("19.80")

WAITS_FOR_A_LOCK = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
)
"""


@dataclass
class Case:
    """Alice's order of two teas, and everybody who has to do with it."""

    sandbox: Sandbox
    browser: Client
    operator: User
    order: Order
    payment: Payment

    def trade(self) -> Any:
        return self.sandbox.trade(self.payment.out_trade_no)

    def is_paid_at_alipay(self) -> bool:
        """Let the buyer pay, if Alipay takes the money."""
        with suppress(urllib.error.HTTPError):
            self.sandbox.control(f"trades/{self.payment.out_trade_no}/pay", {})
        return self.trade()["gmt_payment"] is not None

    def notices(self) -> list[dict[str, str]]:
        told = self.sandbox.control(f"notices?out_trade_no={self.payment.out_trade_no}")
        return [each["fields"] for each in told["items"] if "refund_fee" not in each["fields"]]


# -- the sides -------------------------------------------------------------------------------------


def pay(case: Case) -> None:
    """The buyer pays, and Alipay tells."""
    if case.is_paid_at_alipay():
        assert [post(fields).content for fields in case.notices()] == [b"success"]


def come_back(case: Case) -> None:
    """The buyer pays, comes back, and the shop asks Alipay."""
    paid = case.is_paid_at_alipay()
    query = urlsplit(case.trade()["return_address"]).query if paid else ""
    address = query or urlencode(returned(case.payment))
    assert case.browser.get(f"/payments/alipay/return/?{address}").status_code == 200


def cancel(case: Case) -> None:
    answer = case.browser.post(f"/api/v1/orders/{case.order.order_id}/cancel")
    assert answer.status_code in (200, 409, 503)


def ask_alipay(case: Case) -> None:
    """The worker asks before the time is over."""
    ask(Payment.objects.get(pk=case.payment.pk))


def expire(case: Case) -> None:
    """The worker asks and closes, since the time is over."""
    Payment.objects.filter(status="PENDING").update(due_at=timezone.now())
    expiry.ask_what_is_due()
    expiry.cancel_expired_orders()


def give_back(case: Case) -> None:
    """The operator wants all of it to go back, and the worker sends what is due."""
    with suppress(RefundTooHigh):
        refunds.request_refund(case.payment, amount=TOTAL, by=case.operator, restocks=True)
    Refund.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
    refunds.send_what_is_due()


SIDES: list[Callable[[Case], None]] = [pay, come_back, cancel, ask_alipay, expire, give_back]


# -- where the first side is stopped ---------------------------------------------------------------

BEFORE, AFTER = "before", "after"
STEPS: dict[str, tuple[Any, str, str]] = {
    "after the question": (alipay, "query", AFTER),
    "after the close": (alipay, "close", AFTER),
    "with the notice kept": (notify, "act_upon", BEFORE),
    "with the payment locked": (Order, "mark_paid", BEFORE),
    "before it cancels": (Order, "cancel", BEFORE),
    "with the order cancelled": (Order, "restock", BEFORE),
    "after the refund": (alipay, "refund", AFTER),
    "with the refund written": (Payment, "refunded", BEFORE),
    "before the refund": (alipay, "refund", BEFORE),
    "after the refund query": (alipay, "refunded_amount", AFTER),
    "with the operator's wish written": (refunds, "record_event", AFTER),
    "before the new attempt": (PaymentQuerySet, "attempt", BEFORE),
    "with the new attempt": (alipay, "pay_url", BEFORE),
    "with the unpaid orders counted": (checkout, "refuse_hoarding", AFTER),
}
LOCKED = {
    "with the payment locked",
    "with the order cancelled",
    "with the refund written",
    "with the operator's wish written",
    "with the unpaid orders counted",
}

# How the trade stands at Alipay when it begins, who is first, and where it can be stopped.
FIRSTS: list[tuple[str, Callable[[Case], None], list[str]]] = [
    ("unborn", cancel, ["after the question", "before it cancels", "with the order cancelled"]),
    (
        "waiting",
        cancel,
        ["after the question", "after the close", "before it cancels", "with the order cancelled"],
    ),
    (
        "waiting over",
        expire,
        ["after the question", "after the close", "before it cancels", "with the order cancelled"],
    ),
    ("paid", pay, ["with the notice kept", "with the payment locked"]),
    ("paid", come_back, ["after the question", "with the payment locked"]),
    ("paid", ask_alipay, ["after the question", "with the payment locked"]),
    ("paid", cancel, ["after the question", "with the payment locked"]),
    ("paid over", expire, ["after the question", "with the payment locked"]),
    ("late", pay, ["with the notice kept", "with the payment locked"]),
    ("settled", give_back, ["after the refund", "with the refund written"]),
    ("settled late", give_back, ["after the refund", "with the refund written"]),
]


class Stop:
    """Stops one thread, once, at one step."""

    def __init__(self) -> None:
        self.thread: int | None = None
        self.is_reached = threading.Event()
        self.may_go_on = threading.Event()

    def here(self) -> None:
        if threading.get_ident() == self.thread and not self.is_reached.is_set():
            self.is_reached.set()
            assert self.may_go_on.wait(timeout=60)


@contextmanager
def stop_at(step: str) -> Iterator[Stop]:
    owner, name, when = STEPS[step]
    original, stop = getattr(owner, name), Stop()

    def stopping(*args: Any, **kwargs: Any) -> Any:
        if when == BEFORE:
            stop.here()
        try:
            return original(*args, **kwargs)
        finally:
            if when == AFTER:
                stop.here()

    with mock.patch.object(owner, name, stopping):
        yield stop


def race(case: Case, first: Any, second: Any, step: str) -> None:
    """Run the second side while the first is stopped at a step."""

    is_at_a_lock = threading.Event()

    def run(side: Callable[[Case], None], stop: Stop | None = None) -> None:
        try:
            if stop:
                stop.thread = threading.get_ident()
                side(case)
            else:
                with telling_that_it_writes(is_at_a_lock):
                    side(case)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool, stop_at(step) as stop:
        one: Future[None] = pool.submit(run, first, stop)
        one.add_done_callback(lambda _: stop.is_reached.set())
        stop.is_reached.wait()
        try:
            assert not one.done(), f"never came to the step {step!r}: {one.exception()}"
            other = pool.submit(run, second)
            if step in LOCKED:
                wait_until_ended_or_locked(other, is_at_a_lock)
            else:
                wait([other])
        finally:
            stop.may_go_on.set()
        one.result()
        other.result()


@contextmanager
def telling_that_it_writes(is_at_a_lock: threading.Event) -> Iterator[None]:
    """On SQLite whoever writes while another does waits there; the database tells nobody."""

    def tell(execute: Any, sql: str, *rest: Any) -> Any:
        if not sql.startswith("SELECT"):
            is_at_a_lock.set()
        return execute(sql, *rest)

    with connection.execute_wrapper(tell):
        yield


def wait_until_ended_or_locked(other: Future[None], is_at_a_lock: threading.Event) -> None:
    """Let one side come as far as the other's locks allow."""
    if connection.vendor == "sqlite":
        other.add_done_callback(lambda _: is_at_a_lock.set())
        is_at_a_lock.wait()
        return
    with connection.cursor() as cursor:
        while not other.done():
            cursor.execute(WAITS_FOR_A_LOCK)
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)  # PostgreSQL tells nobody by itself


# -- the races -------------------------------------------------------------------------------------


@pytest.fixture
def case(transactional_db: None, sandbox: Sandbox) -> Iterator[Case]:
    sandbox.control("notify-policy", {"drop": True}, method="PUT")  # a side brings them
    alice = User.objects.create_user("alice")
    browser = login(alice)
    order = make_order(alice, make_product(), quantity=2)
    address = browser.post(f"/order/payment/{order.order_id}/")["Location"]
    urllib.request.urlopen(address, timeout=20).close()
    operator = User.objects.create_user("operator")
    yield Case(sandbox, browser, operator, order, Payment.objects.get())
    sandbox.control("notify-policy", {}, method="PUT")


def begin(case: Case, how: str) -> None:
    """Bring the trade to where the race begins."""
    if "waiting" in how:
        case.sandbox.control(f"trades/{case.payment.out_trade_no}/scan", {})
    if "late" in how:
        cancel(case)
    if not how.startswith(("unborn", "waiting")):
        assert case.is_paid_at_alipay()
    if "settled" in how:
        ask_alipay(case)
    if "over" in how:
        let_time_pass()


def names(value: Any) -> str:
    return value.__name__ if callable(value) else value


@pytest.mark.parametrize("second", SIDES, ids=names)
@pytest.mark.parametrize(
    ("how", "first", "step"),
    [(how, first, step) for how, first, steps in FIRSTS for step in steps],
    ids=names,
)
def test_two_at_once_have_one_outcome(
    case: Case, how: str, first: Any, second: Any, step: str
) -> None:
    begin(case, how)

    race(case, first, second, step)

    for _ in range(3):
        let_time_pass()
        tick()
    assert_one_outcome(case)


def assert_one_outcome(case: Case) -> None:
    order, payment, trade = Order.objects.get(), Payment.objects.get(), case.trade()
    refunds_ = list(Refund.objects.all())
    given_back = {each["out_request_no"]: each["refund_amount"] for each in trade["refunds"]}
    is_paid = trade["gmt_payment"] is not None
    kept = (TOTAL if is_paid else 0) - Decimal(trade["refund_fee"])

    assert order.status in ("PAID", "CANCELLED", "REFUNDED")
    assert kept == (TOTAL if order.is_paid else 0)
    assert Product.objects.get().stock == (8 if order.is_paid else 10)
    assert payment.status == ("PAID" if order.is_paid else "REFUNDED" if is_paid else "CLOSED")
    assert (order.transaction_id == payment.trade_no) == (not order.is_cancelled or not is_paid)
    assert [refund.status for refund in refunds_] == ["DONE"] * len(given_back)
    assert given_back == {refund.out_request_no: str(refund.amount) for refund in refunds_}
    assert len(given_back) == (1 if is_paid and not order.is_paid else 0)
    assert [refund.is_late_money for refund in refunds_] == [order.is_cancelled] * len(given_back)
    assert Counter(Notice.objects.values_list("verdict", flat=True))["SETTLED"] <= 1
    is_open = order.is_paid or not trade["gmt_create"]
    assert (trade["trade_status"] == "TRADE_CLOSED") != is_open


# -- what else can meet ----------------------------------------------------------------------------


def go_by_phone(case: Case) -> None:
    """The buyer goes on to pay on the phone: an attempt of another kind."""
    answer = case.browser.post(f"/order/payment/{case.order.order_id}/", headers=PHONE)
    assert answer.status_code in (303, 409, 503)
    if answer.status_code == 303:
        urllib.request.urlopen(answer["Location"], timeout=20).close()


def pay_both(case: Case) -> None:
    """The buyer pays whatever there is to be paid, and Alipay tells of each."""
    pay(case)
    for payment in Payment.objects.exclude(pk=case.payment.pk):
        with suppress(urllib.error.HTTPError):
            case.sandbox.control(f"trades/{payment.out_trade_no}/pay", {})


def assert_one_is_paid(case: Case) -> None:
    order = Order.objects.get()
    kept = Decimal("0.00")
    for payment in Payment.objects.all():
        with suppress(urllib.error.HTTPError):
            trade = case.sandbox.trade(payment.out_trade_no)
            if trade["gmt_payment"]:
                kept += Decimal(trade["total_amount"]) - Decimal(trade["refund_fee"])
    assert order.is_paid
    assert kept == journal.balance(journal.Account.ALIPAY) == TOTAL
    assert [payment.trade_no for payment in Payment.objects.filter(status="PAID")] == [
        order.transaction_id
    ]
    assert set(Refund.objects.values_list("status", "cause")) <= {("DONE", "LATE")}
    assert Product.objects.get().stock == 8


@pytest.mark.parametrize("how", ["unborn", "waiting"])
@pytest.mark.parametrize(
    ("first", "second", "step"),
    [
        (go_by_phone, pay, "after the question"),
        (go_by_phone, pay, "before the new attempt"),
        (go_by_phone, pay, "with the new attempt"),
        (pay, go_by_phone, "with the notice kept"),
        (pay, go_by_phone, "with the payment locked"),
        (go_by_phone, go_by_phone, "before the new attempt"),
    ],
    ids=names,
)
def test_a_new_way_to_pay_and_the_money_of_the_old_one(
    case: Case, how: str, first: Any, second: Any, step: str
) -> None:
    begin(case, how)

    race(case, first, second, step)

    pay_both(case)
    for _ in range(2):
        let_time_pass()
        tick()
    assert_one_is_paid(case)


def test_a_bad_answer_that_a_notice_overtakes_is_forgotten(case: Case) -> None:
    """Otherwise the operator would for ever be shown a payment that is clear."""
    begin(case, "paid")
    case.sandbox.fault("http_500", "query")

    race(case, ask_alipay, pay, "after the question")

    payment = Payment.objects.get()
    assert (payment.status, payment.due_at, payment.unclear_since) == ("PAID", None, None)


def cancel_by_operator(case: Case) -> None:
    with suppress(OrderNotCancellable, CancelLater):
        expiry.cancel_now(Order.objects.get(), by=case.operator)


@pytest.mark.parametrize("how", ["unborn over", "waiting over"])
@pytest.mark.parametrize(
    ("first", "second"), [(cancel_by_operator, expire), (expire, cancel_by_operator)], ids=names
)
@pytest.mark.parametrize("step", ["after the question", "before it cancels"])
def test_an_operator_and_the_clock_cancel_once(
    case: Case, how: str, first: Any, second: Any, step: str
) -> None:
    begin(case, how)

    race(case, first, second, step)

    let_time_pass()
    tick()
    written = Counter(Event.objects.values_list("what", flat=True))
    assert written["CANCELLED"] + written["EXPIRED"] == 1
    assert written["RESTOCKED"] == 1
    assert written["ATTEMPT_CLOSED"] == 1
    assert (Order.objects.get().status, Product.objects.get().stock) == ("CANCELLED", 10)


def test_two_purchases_at_the_limit_are_one(case: Case, settings: Any) -> None:
    settings.MAX_UNPAID_ORDERS = 3
    alice, tea = case.order.user, Product.objects.get()
    make_order(alice, tea)
    answers = []

    def buy(case: Case) -> None:
        try:
            make_order(alice, tea)
            answers.append("placed")
        except TooManyUnpaid:
            answers.append("refused")

    race(case, buy, buy, "with the unpaid orders counted")

    assert sorted(answers) == ["placed", "refused"]
    assert Order.objects.unpaid().count() == 3
    assert Product.objects.get().stock == 6
