"""The shop of the machine beside the real sandbox: from opening to nightfall, and its claims."""

import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlencode

import time_machine
from django.test import Client
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
)

from books import audit
from conftest import Sandbox, forget, make_product
from orders.models import Event, Order, OrderItem
from payments import expiry, journal, refunds
from payments.exceptions import RefundTooHigh
from payments.journal import JournalEntry
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.machine_claims import (
    NEXT_OF_ORDER,
    NEXT_OF_PAYMENT,
    NEXT_OF_REFUND,
    assert_booked_once,
    assert_history_ends_where_we_are,
    assert_paid_on_evidence,
    assert_paid_once,
    assert_refunded_once,
    may_follow,
)
from payments.tests.machine_stories import PRICE, SPANS, STOCK
from payments.tests.test_notify import FORM, NOTIFY
from products.models import Product, StockMovement
from users.models import User


class Shop(RuleBasedStateMachine):
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

    # -- time, the worker, and being well again ----------------------------------------------------

    @rule()
    def be_well_again(self) -> None:
        self.sandbox.control("faults", method="DELETE")

    @rule()
    def work(self) -> None:
        expiry.ask_what_is_due()
        expiry.cancel_expired_orders()
        refunds.send_what_is_due()

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
