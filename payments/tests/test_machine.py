"""Whatever buyers, operators, workers, time and Alipay do in whatever order: the money is right.

Hypothesis makes up the days of a shop beside the real sandbox: purchases, payments, notices that
come late, twice or never, ways to pay that are changed for another, cancellations, refunds that
wait for a second operator, refunds in Alipay's own console, workers that die, and lost answers.
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
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from unittest import mock
from urllib.parse import urlencode, urlsplit

import hypothesis.strategies as st
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.cache import cache
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from books import audit
from conftest import Sandbox, forget, login, make_product
from core.problems import Problem
from orders.models import Event, Order, OrderItem
from payments import alipay, expiry, journal, refunds
from payments.exceptions import AlipayTrouble, RefundTooHigh
from payments.journal import JournalEntry
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.alipay_side import TRADE_NO, notice, returned
from payments.tests.test_attempts import PHONE
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
OTHER_WAYS = ["begin_by_phone", "show_qr"]
ANY_STEP = [*WAY, *OTHER_WAYS, "cancel", "cancel", "be_a_stranger"]
STORIES = {
    "looks": [],
    "begins": WAY[:1],
    "stands there": WAY[:2],
    "logs in": WAY[:3],
    "pays": WAY[:4],
    "comes back": WAY,
    "cancels": [*WAY[:3], "cancel"],
    "cancels, yet pays": [*WAY[:2], "cancel", "pay"],
    "pays twice": [*WAY[:2], "forget_how_it_began", *WAY[:4]],
    "pays by phone": ["begin_by_phone", *WAY[1:]],
    "pays by QR code": ["show_qr", "pay"],
    "goes on by phone": [*WAY[:3], "begin_by_phone", "go_to_the_cashier", "pay"],
    "pays in every way": ["show_qr", "begin_by_phone", *WAY[:4]],
}
PURCHASES = st.tuples(st.integers(min_value=1, max_value=4), st.sampled_from(list(STORIES)))

FAULTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(
            [
                "timeout",
                "http_500",
                "html",
                "reset",
                "unsigned",
                "wrong_signature",
                "system_error",
                "error_response",
            ]
        ),
        "when": st.sampled_from(["before", "after"]),
        "method": st.sampled_from(
            [
                f"alipay.trade.{api}"
                for api in ("query", "close", "refund", "fastpay.refund.query", "precreate")
            ]
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
    "between the money and the books": (journal, "book"),
    "before it writes the history": (Order, "record"),
}

NEXT_OF_ORDER = {"UNPAID": {"PAID", "CANCELLED"}, "PAID": {"REFUNDED"}}
NEXT_OF_PAYMENT = {"PENDING": {"PAID", "CLOSED"}, "CLOSED": {"PAID"}, "PAID": {"REFUNDED"}}
NEXT_OF_REFUND = {
    "WAITING": {"REQUESTED", "DECLINED"},
    "REQUESTED": {"UNKNOWN", "DONE", "FAILED"},
    "UNKNOWN": {"DONE", "FAILED"},
    "FAILED": {"REQUESTED", "WAITING"},
}

# In which state the last of these lines leaves what it is about.
ORDER_AFTER = {
    "PLACED": "UNPAID",
    "PAID": "PAID",
    "CANCELLED": "CANCELLED",
    "EXPIRED": "CANCELLED",
    "REFUNDED": "REFUNDED",
}
REFUND_AFTER = {
    "REFUND_REQUESTED": {"REQUESTED", "WAITING"},
    "REFUND_APPROVED": {"REQUESTED"},
    "REFUND_DECLINED": {"DECLINED"},
    "REFUND_RETRIED": {"REQUESTED", "WAITING"},
    "REFUND_UNCLEAR": {"UNKNOWN"},
    "REFUND_DONE": {"DONE"},
    "REFUND_FAILED": {"FAILED"},
}


class Killed(BaseException):
    """Nothing catches it, as nothing catches ``kill -9``."""


def may_follow(before: str, now: str, steps: dict[str, set[str]]) -> bool:
    """Whether one state leads to another, in however many steps."""
    reached = {before}
    while more := set().union(*(steps.get(each, set()) for each in reached)) - reached:
        reached |= more
    return now in reached


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
        # No fee, so that its merchant's account shows what the shop is paid; and every refund told.
        told = {"TRADE_SUCCESS": True, "TRADE_CLOSED": True}
        behaviour = {
            "timestamp_skew": None,
            "fee_rate": "0",
            "notify_triggers": dict.fromkeys(["page", "wap", "precreate"], told),
        }
        self.sandbox.control("settings", behaviour, method="PATCH")
        self.opening_balance = self.balance_at_alipay()
        forget(Notice, JournalEntry, Refund, Payment, Event, OrderItem, Order)
        forget(StockMovement, Product)
        self.tea = make_product(price=str(PRICE), stock=STOCK)
        self.operator = User.objects.get(username="operator")
        self.second_operator = User.objects.get(username="second")
        self.traveller = time_machine.travel(datetime.now(UTC), tick=True)
        self.now = self.traveller.start()
        self.addresses: dict[int, set[str]] = {}  # at which each order can be paid
        self.seen: dict[Any, str] = {}  # each row's state after the last step
        self.needs_notice: set[str] = set()  # trades of which only a notice tells all
        self.foreign = 0  # refunds made in Alipay's console
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

    @rule(which=WHICH, step=st.sampled_from(ANY_STEP))
    def go_on(self, which: int, step: str) -> None:
        """Go on with an order, from wherever it is; the buyer may think that it is elsewhere."""
        getattr(self, step)(self.one_of(Order.objects.all(), which))

    def begin_to_pay(self, order: Order, **headers: str) -> None:
        was_payable = Order.objects.get(pk=order.pk).is_payable

        response = self.alices.post(f"/order/payment/{order.order_id}/", headers=headers)

        assert response.status_code in ((303, 409, 503) if was_payable else (409,))
        if response.status_code == 303:
            self.addresses.setdefault(order.pk, set()).add(response["Location"])

    def begin_by_phone(self, order: Order) -> None:
        self.begin_to_pay(order, **PHONE)

    def show_qr(self, order: Order) -> None:
        response = self.alices.post(f"/payments/{order.order_id}/qr/")

        assert response.status_code in (303, 409, 503)
        shown = order.payments.filter(kind="qr", status="PENDING").exclude(qr_code="")
        assert response.status_code != 303 or shown.exists()

    def forget_how_it_began(self, order: Order) -> None:
        """The attempt counts as closed, though it can still be paid at Alipay."""
        for payment in order.payments.all():
            if payment.close():
                self.needs_notice.add(payment.out_trade_no)

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
                is_foreign = fields.get("out_biz_no", "").startswith("console")
                answer = self.post(fields)
                # Of a foreign refund Alipay is asked; when it does not say, it shall call again.
                if answer.status_code != 400 or not is_foreign:
                    assert (answer.status_code, answer.content) == (200, b"success")

    @rule(which=WHICH, percent=st.sampled_from([1, 50, 100]))
    def refund_in_the_console(self, which: int, percent: int) -> None:
        """Somebody who may do so refunds at Alipay itself, and the shop was not asked."""
        if payment := self.one_of(Payment.objects.all(), which):
            self.foreign += 1
            with suppress(AlipayTrouble):
                self.needs_notice.add(payment.out_trade_no)
                alipay.refund(
                    out_trade_no=payment.out_trade_no,
                    refund_amount=(payment.amount * percent / 100).quantize(Decimal("0.01")),
                    out_request_no=f"console-{self.foreign}",
                    refund_reason="by hand",
                )

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

    @rule(
        which=WHICH, what=st.sampled_from(["approve", "decline", "retry"]), is_second=st.booleans()
    )
    def decide(self, which: int, what: str, is_second: bool) -> None:
        """An operator decides on a refund, perhaps one that somebody has decided on."""
        if refund := self.one_of(Refund.objects.all(), which):
            by = self.second_operator if is_second else self.operator
            may = {
                "approve": refund.status == "WAITING" and by != refund.requested_by,
                "decline": refund.status == "WAITING",
                "retry": refund.status == "FAILED" and refund.amount <= refund.payment.refundable(),
            }[what]
            try:
                match what:
                    case "approve":
                        refunds.approve(refund, by=by)
                    case "decline":
                        refunds.decline(refund, by=by, reason="no")
                    case "retry":
                        refunds.retry(refund, by=by)
            except Problem:
                assert not may
            else:
                assert may

    @rule()
    def restart(self) -> None:
        """Shop and worker forget what they had in memory."""
        connection.close()
        cache.clear()
        alipay.client.cache_clear()

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
            mine_too = [payment for payment in payments if payment.order_id == order.pk]
            late = {refund.payment_id for refund in refunds_ if refund.is_late_money}
            assert_paid_once(order, mine_too, late)
        assert_history_ends_where_we_are(orders, refunds_)
        assert_booked_once(payments, refunds_)
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
        assert stock == sum(StockMovement.objects.values_list("quantity", flat=True))

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
        """The worker needs no notice; only what was made behind the shop's back does."""
        self.be_well_again()
        self.work_until_all_is_clear()
        for is_again in (False, True):  # a refund may be told of before its payment
            for told in self.sandbox.control("notices?limit=1000")["items"]:
                if told["out_trade_no"] in self.needs_notice:
                    answer = self.post(told["fields"])
                    assert answer.content == b"success" or not is_again
        self.decide_what_is_left()

        trades = self.trades()
        for order in Order.objects.prefetch_related("payments__refunds"):
            at_alipay = given_back = Decimal(0)
            for payment in order.payments.all():
                trade = trades.get(payment.out_trade_no, {})
                if trade.get("gmt_payment"):
                    at_alipay += Decimal(trade["total_amount"]) - Decimal(trade["refund_fee"])
                if not payment.is_late_money:
                    given_back += payment.refunded()
            kept = {
                "PAID": order.total_price - given_back,
                "CANCELLED": Decimal(0),
                "REFUNDED": Decimal(0),
            }
            assert at_alipay == kept[order.status], order
        at_alipay = self.balance_at_alipay() - self.opening_balance
        assert journal.balance(journal.Account.ALIPAY) == at_alipay
        assert journal.balance(journal.Account.LATE_MONEY) == 0
        assert audit.findings() == []
        for refund in Refund.objects.exclude(status__in=["DONE", "DECLINED"]):
            assert refund.status == "FAILED"
            assert refund.amount > refund.payment.refundable()

    def work_until_all_is_clear(self) -> None:
        for _ in range(10):
            self.let_time_pass(7200)
            self.work()
            self.the_books_agree()
            if not (
                Order.objects.filter(status="UNPAID").exists()
                or Payment.objects.filter(status="PENDING").exists()
                or Refund.objects.filter(status__in=["REQUESTED", "UNKNOWN"]).exists()
            ):
                return
        raise AssertionError("the worker never comes to an end")

    def decide_what_is_left(self) -> None:
        """The operators approve what waits, try again what failed, and send the rest of it back."""
        self.work_until_all_is_clear()
        for refund in Refund.objects.filter(status="FAILED"):
            with suppress(RefundTooHigh):
                refunds.retry(refund, by=self.operator)
        for payment in Payment.objects.filter(status="PAID"):
            if payment.is_late_money and payment.refundable():
                left = payment.refundable()
                refunds.request_refund(payment, amount=left, by=self.operator)
        for refund in Refund.objects.filter(status="WAITING"):
            refunds.approve(refund, by=self.second_operator)
        self.work_until_all_is_clear()

    # -- in short ----------------------------------------------------------------------------------

    def one_of(self, rows: Any, which: int) -> Any:
        found = list(rows.order_by("id"))
        return found[which % len(found)] if found else None

    def post(self, fields: dict[str, str]) -> Any:
        self.posted += 1
        return self.alipays.post(NOTIFY, urlencode(fields), content_type=FORM)

    def balance_at_alipay(self) -> Decimal:
        (merchant,) = self.sandbox.control("merchants")["items"]
        return Decimal(merchant["balance"])

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
        if number in asked or not number.startswith("console"):  # of which nobody may know yet
            assert asked[number].amount == amount
            assert asked[number].status not in ("WAITING", "FAILED", "DECLINED")
    for number, refund in asked.items():
        assert refund.status != "DONE" or number in given_back
        assert (refund.due_at is None) == (not refund.is_open)
    own = [refund for refund in refunds_ if refund.cause != "CONSOLE"]
    in_vain = ("FAILED", "DECLINED")
    assert sum(refund.amount for refund in own if refund.status not in in_vain) <= payment.amount
    all_is_back = sum(refund.amount for refund in refunds_ if refund.status == "DONE")
    assert all_is_back <= payment.amount
    assert (payment.status == "REFUNDED") == (all_is_back == payment.amount)


def assert_history_ends_where_we_are(orders: list[Order], refunds_: list[Refund]) -> None:
    """What was written down of an order or a refund leads to the state in which it is."""
    lines = list(Event.objects.order_by("id").values_list("order_id", "what", "about"))
    after = {order: ORDER_AFTER[what] for order, what, _ in lines if what in ORDER_AFTER}
    assert after == {order.pk: order.status for order in orders}
    ends = {(order, about): what for order, what, about in lines if what in REFUND_AFTER}
    for refund in refunds_:
        what = ends[refund.payment.order_id, refund.out_request_no]
        assert refund.status in REFUND_AFTER[what], what


def assert_booked_once(payments: list[Payment], refunds_: list[Refund]) -> None:
    """A paid payment is a sale or late money, a refund that is done is its way back; both once."""
    booked = JournalEntry.objects.values_list("what", "payment", "refund", "amount")
    wanted: list[tuple[str, int, int | None, Decimal]] = []
    for payment in payments:
        is_late = any(
            refund.is_late_money for refund in refunds_ if refund.payment_id == payment.pk
        )
        if payment.status in ("PAID", "REFUNDED"):
            what = "LATE_IN" if is_late else "SALE"
            wanted.append((what, payment.pk, None, payment.amount))
        for refund in refunds_:
            if refund.payment_id == payment.pk and refund.status == "DONE":
                what = "LATE_OUT" if is_late else "REFUND"
                wanted.append((what, payment.pk, refund.pk, refund.amount))
    assert sorted(booked, key=str) == sorted(wanted, key=str)


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
    sandbox: Sandbox, transactional_db: None, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> Iterator[None]:
    settings.ALIPAY_QR = True
    settings.REFUND_APPROVAL_AMOUNT = Decimal("15.00")
    monkeypatch.setattr(alipay, "_answer_of", outside_of_any_transaction(alipay._answer_of))
    names = ("alice", "bob", "operator", "second")
    alice, bob, *_ = [User.objects.create_user(name) for name in names]
    Day.sandbox, Day.alices, Day.bobs = sandbox, login(alice), login(bob)
    Day.alipays = Client(enforce_csrf_checks=True)
    yield
    sandbox.control("reset", {})


@pytest.mark.usefixtures("shop_beside_alipay")
def test_the_money_is_right_in_any_order_of_steps() -> None:
    run_state_machine_as_test(
        Day,
        settings=hypothesis_settings(
            max_examples=max(1, STEPS // STEPS_A_DAY),
            stateful_step_count=STEPS_A_DAY + 1,  # and the opening
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
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
