"""Whatever buyers, operators, workers, time and Alipay do in whatever order: the money is right.

Hypothesis makes up the days of a shop beside the real sandbox: purchases, payments, notices that
come late, twice or never, cancellations, refunds, workers that die, and answers that are lost.
After every step the books of both are compared, and at nightfall, when nothing is wrong any more
and the worker has run, every order is settled or cancelled, and no fen is where it should not be.

The shop's clock is turned together with the sandbox's. No notice comes by itself: a rule brings
it, or it is lost. ``GUITAI_STEPS`` asks for more steps than the usual 2000.
"""

import http.client
import os
import sys
import urllib.error
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from unittest import mock
from urllib.parse import urlencode, urlsplit

import hypothesis.strategies as st
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from conftest import Sandbox, forget, login, make_product
from orders.models import Event, Order, OrderItem
from payments import alipay, expiry, refunds
from payments.exceptions import RefundTooHigh
from payments.journal import JournalEntry
from payments.models import Notice, Payment, Refund
from payments.tests.alipay_side import TRADE_NO, notice, returned
from payments.tests.test_notify import FORM, NOTIFY
from products.models import Product, StockMovement
from users.models import User

STEPS = int(os.environ.get("GUITAI_STEPS", "2000"))
STEPS_A_DAY = 50

PRICE = Decimal("9.90")
STOCK = 12
STRANGER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

# Which of several: the first, the latest, the one before...
WHICH = st.integers(min_value=-3, max_value=2)
SPANS = st.sampled_from([20, 20, 120, 120, 600, 1900, 7200])  # seconds

# What a buyer does after buying; whoever stops half-way may go on later.
WAY = ["begin_to_pay", "go_to_the_cashier", "log_in_there", "pay", "come_back"]
STORIES = {
    "looks": [],
    "begins": WAY[:1],
    "stands there": WAY[:2],
    "logs in": WAY[:3],
    "pays": WAY[:4],
    "comes back": WAY,
    "cancels": [*WAY[:3], "cancel"],
    "cancels, yet pays": [*WAY[:2], "cancel", "pay"],
    "pays twice": [*WAY[:2], "begin_in_another_way", *WAY[:4]],
}
PURCHASES = st.tuples(st.integers(min_value=1, max_value=4), st.sampled_from(list(STORIES)))

FAULTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(
            [
                *("timeout", "http_500", "html", "reset", "unsigned", "wrong_signature"),
                *("system_error", "error_response"),
            ]
        ),
        "when": st.sampled_from(["before", "after"]),
        "method": st.sampled_from(
            [f"alipay.trade.{api}" for api in ("query", "close", "refund", "fastpay.refund.query")]
        ),
        "times": st.sampled_from([1, 1, 2]),
    }
)
NO_MONEY = {
    "kind": "refuse",
    "method": "alipay.trade.refund",
    "sub_code": "ACQ.SELLER_BALANCE_NOT_ENOUGH",
    "times": 1,
}

# What is false about a forged notice, and the check that it fails.
FORGERIES: dict[str, tuple[dict[str, Any], str]] = {
    "by a stranger": ({"key": STRANGER_KEY}, "sign"),
    "unsigned": ({"sign_type": None}, "sign_type"),
    "a fen less": ({"total_amount": "0.01"}, "total_amount"),
    "of another seller": ({"seller_id": "2088000000000009"}, "seller_id"),
    "of another app": ({"app_id": "9021000000000009"}, "app_id"),
    "of an unknown payment": ({"out_trade_no": "20260101UNKNOWN"}, "out_trade_no"),
    "not yet paid": ({"trade_status": "WAIT_BUYER_PAY"}, "trade_status"),
    "of no known state": ({"trade_status": "TRADE_PENDING"}, "trade_status"),
    "of a refund": ({"refund_fee": "1.00"}, "refund"),
}

# Where a worker dies: before this is written down, whatever Alipay has done by then.
DEATHS: dict[str, tuple[Any, str]] = {
    "before it writes down a payment": (Payment, "settle"),
    "before it writes down a close": (Payment, "close"),
    "before it cancels": (Order, "cancel"),
    "between cancelling and the stock": (Order, "restock"),
    "before it writes down a refund": (Refund, "mark_done"),
    "between the refund and its order": (Payment, "refunded"),
    "before it writes down what is unclear": (Refund, "note"),
}

NEXT_OF_ORDER = {"UNPAID": {"PAID", "CANCELLED"}, "PAID": {"REFUNDED"}}
NEXT_OF_PAYMENT = {"PENDING": {"PAID", "CLOSED"}, "CLOSED": {"PAID"}, "PAID": {"REFUNDED"}}
NEXT_OF_REFUND = {
    "REQUESTED": {"UNKNOWN", "DONE", "FAILED"},
    "UNKNOWN": {"DONE", "FAILED"},
}


class Killed(BaseException):
    """Nothing catches it, as nothing catches ``kill -9``."""


def may_follow(before: str, now: str, steps: dict[str, set[str]]) -> bool:
    """Whether one state leads to another, in however many steps."""
    return now == before or any(may_follow(each, now, steps) for each in steps.get(before, ()))


class Day(RuleBasedStateMachine):
    """One shop from opening to nightfall."""

    sandbox: ClassVar[Sandbox]
    alices: ClassVar[Client]
    bobs: ClassVar[Client]
    alipays: ClassVar[Client]

    def __init__(self) -> None:
        super().__init__()
        self.sandbox.control("reset", {})
        self.sandbox.control("notify-policy", {"drop": True}, method="PUT")
        # Its clock is turned, so what the shop says the time is differs from the wall's.
        self.sandbox.control("settings", {"timestamp_skew": None}, method="PATCH")
        forget(Notice, JournalEntry, Refund, Payment, Event, OrderItem, Order)
        forget(StockMovement, Product)
        self.tea = make_product(price=str(PRICE), stock=STOCK)
        self.operator = User.objects.get(username="operator")
        self.traveller = time_machine.travel(datetime.now(UTC), tick=True)
        self.now = self.traveller.start()
        self.addresses: dict[int, set[str]] = {}  # at which each order can be paid
        self.seen: dict[Any, str] = {}  # each row's state after the last step
        self.replaced: set[str] = set()  # attempts that only a notice tells of
        self.posted = 0  # notices

    # -- the buyer ---------------------------------------------------------------------------------

    @initialize(purchases=st.lists(PURCHASES, min_size=1, max_size=3))
    def open_the_shop(self, purchases: list[tuple[int, str]]) -> None:
        for purchase in purchases:
            self.buy(purchase)

    @rule(purchase=PURCHASES)
    def buy(self, purchase: tuple[int, str]) -> None:
        quantity, story = purchase
        left = Product.objects.get().stock

        response = self.alices.post(
            f"/order/buy/{self.tea.id}/", {"quantity": quantity}, content_type="application/json"
        )

        if quantity > left:
            assert response.status_code == 409
            return
        order = Order.objects.get(order_id=response.json()["order_id"])
        assert (response.status_code, order.total_price) == (201, PRICE * quantity)
        for step in STORIES[story]:
            getattr(self, step)(order)

    @rule(which=WHICH, step=st.sampled_from([*WAY, "cancel", "cancel", "be_a_stranger"]))
    def go_on(self, which: int, step: str) -> None:
        """Go on with an order, from wherever it is; the buyer may think that it is elsewhere."""
        getattr(self, step)(self.one_of(Order.objects.all(), which))

    def begin_to_pay(self, order: Order) -> None:
        response = self.alices.post(f"/order/payment/{order.order_id}/")

        assert response.status_code in (303, 409)
        if response.status_code == 303:
            self.addresses.setdefault(order.pk, set()).add(response["Location"])

    def begin_in_another_way(self, order: Order) -> None:
        """A second attempt beside one that was never born, and so could not be closed."""
        for payment in order.payments.all():
            if payment.close():
                self.replaced.add(payment.out_trade_no)

    def go_to_the_cashier(self, order: Order) -> None:
        """By every address that Alice ever got for it: browsers remember."""
        for address in map(urlsplit, sorted(self.addresses.get(order.pk, ()))):
            cashier = http.client.HTTPConnection(address.netloc, timeout=20)
            cashier.request("GET", f"{address.path}?{address.query}")
            cashier.getresponse().read()
            cashier.close()

    def log_in_there(self, order: Order) -> None:
        self.do_at_alipay(order, "scan")

    def pay(self, order: Order) -> None:
        self.do_at_alipay(order, "pay")

    def do_at_alipay(self, order: Order, step: str) -> None:
        for payment in order.payments.all():
            try:
                self.sandbox.control(f"trades/{payment.out_trade_no}/{step}", {})
            except urllib.error.HTTPError as refusal:
                refusal.close()
                if refusal.code not in (404, 409):  # never asked for; too late
                    raise

    def come_back(self, order: Order) -> None:
        """With the address that Alipay made, or, unpaid, with one that says nothing of it."""
        for payment in order.payments.all():
            trade = self.trades().get(payment.out_trade_no)
            if trade and trade["return_address"]:
                query = urlsplit(trade["return_address"]).query
            else:
                query = urlencode(returned(payment))

            response = self.alices.get(f"/payments/alipay/return/?{query}")

            assert response.status_code == 200

    def cancel(self, order: Order) -> None:
        response = self.alices.post(f"/api/v1/orders/{order.order_id}/cancel")

        assert response.status_code in (200, 409, 503)
        is_cancelled = Order.objects.get(pk=order.pk).is_cancelled
        assert is_cancelled == (response.status_code == 200 or order.is_cancelled)

    def be_a_stranger(self, order: Order) -> None:
        answers = [
            self.bobs.post(f"/order/payment/{order.order_id}/"),
            self.bobs.post(f"/api/v1/orders/{order.order_id}/cancel"),
            self.bobs.get(f"/payments/{order.order_id}/panel/"),
        ]

        assert [answer.status_code for answer in answers] == [404] * 3

    # -- Alipay ------------------------------------------------------------------------------------

    @rule(which=WHICH, times=st.integers(min_value=1, max_value=3))
    def notify(self, which: int, times: int) -> None:
        """Bring any notice that was ever made, for the first time or again."""
        told = self.sandbox.control("notices?limit=1000")["items"]
        if told:
            fields = told[which % len(told)]["fields"]
            for _ in range(times):
                answer = self.post(fields)
                assert (answer.status_code, answer.content) == (200, b"success")

    @rule(which=WHICH, forgery=st.sampled_from(sorted(FORGERIES)))
    def forge(self, which: int, forgery: str) -> None:
        if payment := self.one_of(Payment.objects.all(), which):
            changes, check = FORGERIES[forgery]
            fields = notice(payment, trade_no=payment.trade_no or TRADE_NO, **changes)

            answer = self.post(fields)

            assert (answer.status_code, answer.content) == (400, b"failure")
            assert Notice.objects.latest("id").reason.split(":")[0] == check

    @rule(fault=FAULTS | st.just(NO_MONEY))
    def go_wrong(self, fault: dict[str, Any]) -> None:
        self.sandbox.control("faults", {**fault, "seconds": 0})

    @rule()
    def be_well_again(self) -> None:
        self.sandbox.control("faults", method="DELETE")

    # -- the shop ----------------------------------------------------------------------------------

    @rule(
        which=WHICH,
        percent=st.sampled_from([1, 30, 50, 99, 100, 100, 101]),
        restocks=st.booleans(),
    )
    def refund(self, which: int, percent: int, restocks: bool) -> None:
        """Give back a part of what was paid, or all of it; the goods come back with all of it."""
        if payment := self.one_of(Payment.objects.exclude(paid_at=None), which):
            amount = (payment.amount * percent / 100).quantize(Decimal("0.01"))
            left = payment.refundable()
            try:
                refunds.request_refund(
                    payment,
                    amount=amount,
                    by=self.operator,
                    restocks=restocks,
                )
            except RefundTooHigh:
                assert amount > left
            else:
                assert amount <= left

    @rule()
    def work(self) -> None:
        expiry.ask_what_is_due()
        expiry.cancel_expired_orders()
        refunds.send_what_is_due()

    @rule(death=st.sampled_from(sorted(DEATHS)))
    def work_and_die(self, death: str) -> None:
        self.is_killed_at_work(death)

    def is_killed_at_work(self, death: str) -> bool:
        with mock.patch.object(*DEATHS[death], side_effect=Killed):
            try:
                self.work()
            except Killed:
                connection.close()
                return True
        return False

    @rule(seconds=SPANS)
    def let_time_pass(self, seconds: int) -> None:
        self.sandbox.control("clock", {"advance": seconds})
        self.now.shift(timedelta(seconds=seconds))

    # -- what is so after every step ---------------------------------------------------------------

    @invariant()
    def the_books_agree(self) -> None:
        orders = list(Order.objects.prefetch_related("items"))
        payments = list(Payment.objects.select_related("order"))
        refunds_ = list(Refund.objects.select_related("payment"))
        trades = self.trades()
        self.assert_stock_adds_up(orders, refunds_)
        self.assert_nothing_turns_back([*orders, *payments, *refunds_])
        for payment in payments:
            mine = [refund for refund in refunds_ if refund.payment_id == payment.pk]
            assert_paid_on_evidence(payment, trades.get(payment.out_trade_no))
            assert_refunded_once(payment, mine, trades.get(payment.out_trade_no))
        for order in orders:
            assert_paid_once(
                order,
                [payment for payment in payments if payment.order_id == order.pk],
                {refund.payment_id for refund in refunds_ if refund.is_late},
            )
        assert {trade["out_trade_no"] for trade in trades.values()} <= {
            payment.out_trade_no for payment in payments
        }
        assert Notice.objects.count() == self.posted

    def assert_stock_adds_up(self, orders: list[Order], refunds_: list[Refund]) -> None:
        """No oversell: what was put in is in stock, or held by an order, and never both."""
        back = {
            refund.payment.order_id
            for refund in refunds_
            if refund.restocks and refund.status == "DONE"
        }
        held = sum(
            item.quantity
            for order in orders
            if not order.is_cancelled and order.pk not in back
            for item in order.items.all()
        )
        stock = Product.objects.get().stock
        assert stock >= 0
        assert stock + held == STOCK

    def assert_nothing_turns_back(self, rows: list[Any]) -> None:
        for row in rows:
            steps = {Order: NEXT_OF_ORDER, Payment: NEXT_OF_PAYMENT, Refund: NEXT_OF_REFUND}
            key = (type(row), row.pk)
            before = self.seen.get(key, row.status)
            assert may_follow(before, row.status, steps[type(row)]), f"{row}: {before} before"
            self.seen[key] = row.status

    # -- nightfall ---------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # nothing failed by day
                self.close_the_day()
        finally:
            self.traveller.stop()

    def close_the_day(self) -> None:
        self.be_well_again()
        for told in self.sandbox.control("notices?limit=1000")["items"]:
            if told["out_trade_no"] in self.replaced:
                self.post(told["fields"])
        for _ in range(10):
            self.let_time_pass(7200)
            self.work()
            self.the_books_agree()
            if not (
                Order.objects.filter(status="UNPAID").exists()
                or Payment.objects.filter(status="PENDING").exists()
                or Refund.objects.filter(status__in=["REQUESTED", "UNKNOWN"]).exists()
            ):
                break
        else:
            raise AssertionError("the worker never comes to an end")

        trades = self.trades()
        for order in Order.objects.prefetch_related("payments__refunds"):
            paid = back = Decimal(0)
            for payment in order.payments.all():
                trade = trades.get(payment.out_trade_no, {})
                if trade.get("gmt_payment"):
                    paid += Decimal(trade["total_amount"])
                    back += Decimal(trade["refund_fee"])
            given_back = sum(
                refund.amount
                for payment in order.payments.all()
                for refund in payment.refunds.all()
                if not refund.is_late
            )
            kept = {
                "PAID": order.total_price - given_back,
                "CANCELLED": Decimal(0),
                "REFUNDED": Decimal(0),
            }
            assert paid - back == kept[order.status], order
        assert set(Refund.objects.values_list("status", flat=True)) <= {"DONE"}

    # -- in short ----------------------------------------------------------------------------------

    def one_of(self, rows: Any, which: int) -> Any:
        found = list(rows.order_by("id"))
        return found[which % len(found)] if found else None

    def post(self, fields: dict[str, str]) -> Any:
        self.posted += 1
        return self.alipays.post(NOTIFY, urlencode(fields), content_type=FORM)

    def trades(self) -> dict[str, Any]:
        told = self.sandbox.control("trades?limit=1000")["items"]
        return {trade["out_trade_no"]: trade for trade in told}


def assert_paid_on_evidence(payment: Payment, trade: Any) -> None:
    """The price is the server's, and no payment is paid without Alipay's having the money."""
    assert payment.amount == payment.order.total_price
    if trade:
        assert Decimal(trade["total_amount"]) == payment.amount
    if payment.status in ("PAID", "REFUNDED"):
        assert trade
        assert trade["gmt_payment"]
        assert payment.trade_no == trade["trade_no"]


def assert_refunded_once(payment: Payment, refunds_: list[Refund], trade: Any) -> None:
    """What Alipay gave back was asked for before, under that number, and no more than was paid."""
    given_back = {
        refund["out_request_no"]: Decimal(refund["refund_amount"])
        for refund in (trade["refunds"] if trade else [])
    }
    asked = {refund.out_request_no: refund for refund in refunds_}
    for number, amount in given_back.items():
        assert asked[number].amount == amount
        assert asked[number].status != "FAILED"
    for number, refund in asked.items():
        assert refund.status != "DONE" or number in given_back
        assert (refund.due_at is None) == (not refund.is_open)
    assert sum(refund.amount for refund in refunds_ if refund.status != "FAILED") <= payment.amount
    all_is_back = sum(refund.amount for refund in refunds_ if refund.status == "DONE")
    assert (payment.status == "REFUNDED") == (all_is_back == payment.amount)


def assert_paid_once(order: Order, payments: list[Payment], late: set[int]) -> None:
    """An order keeps one payment; any other is late, and so is each one of a cancelled order."""
    kept = [
        payment
        for payment in payments
        if payment.status in ("PAID", "REFUNDED") and payment.pk not in late
    ]
    if order.status in ("PAID", "REFUNDED"):
        (payment,) = kept
        assert (order.transaction_id, order.paid_at) == (payment.trade_no, payment.paid_at)
        assert order.is_refunded == (payment.status == "REFUNDED")
    else:
        assert kept == []
        assert (order.transaction_id, order.paid_at) == ("", None)


def outside_of_any_transaction(answer_of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let no call of Alipay be made inside of a transaction of the database."""

    def checked(call: Any) -> Any:
        assert not connection.in_atomic_block
        return answer_of(call)

    return checked


@pytest.fixture
def shop_beside_alipay(
    sandbox: Sandbox, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.setattr(alipay, "_answer_of", outside_of_any_transaction(alipay._answer_of))
    alice, bob, _ = [User.objects.create_user(name) for name in ("alice", "bob", "operator")]
    Day.sandbox, Day.alices, Day.bobs = sandbox, login(alice), login(bob)
    Day.alipays = Client(enforce_csrf_checks=True)
    yield
    sandbox.control("reset", {})


@pytest.mark.usefixtures("shop_beside_alipay")
def test_the_money_is_right_in_any_order_of_steps() -> None:
    run_state_machine_as_test(
        Day,
        settings=settings(
            max_examples=max(1, STEPS // STEPS_A_DAY),
            stateful_step_count=STEPS_A_DAY + 1,  # and the opening
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.usefixtures("shop_beside_alipay")
@pytest.mark.parametrize("death", DEATHS)
def test_a_worker_may_die_anywhere(death: str) -> None:
    """Every kind of buyer has been there, money goes back, and no notice has come."""
    day = Day()
    try:
        for story in STORIES:
            day.buy((1, story))
        day.refund(-1, 100, restocks=True)
        day.let_time_pass(1900)
        day.go_wrong(
            {"kind": "reset", "method": "alipay.trade.refund", "when": "after", "times": 1}
        )

        assert day.is_killed_at_work(death)

        day.the_books_agree()
        day.close_the_day()
    finally:
        day.traveller.stop()

    assert set(Order.objects.values_list("status", flat=True)) >= {"PAID", "CANCELLED"}
    assert set(Refund.objects.values_list("status", flat=True)) == {"DONE"}
