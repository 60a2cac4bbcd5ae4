"""A month of a shop, day by day, with all that goes wrong; and every day adds up in the end.

The clocks of the shop and of the sandbox pass it together. ``GUITAI_MONTH_ORDERS`` asks for
thousands of orders instead of the usual few hundred.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest

from books import reconciliation
from books.models import Bill, Difference
from books.tests.reconciling import in_console
from books.tests.time_travel import BILL, DAY, World, travelling
from conftest import Sandbox, make_order, make_product
from payments import journal, refunds
from payments.exceptions import AlipayTrouble
from payments.expiry import ask_what_is_due, cancel_expired_orders
from payments.journal import Account
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.alipay_side import notice
from payments.tests.test_notify import post
from users.models import User

pytestmark = pytest.mark.slow

ORDERS = int(os.environ.get("GUITAI_MONTH_ORDERS", "240"))
FIRST, DAYS = DAY + timedelta(days=1), 30
#: Hours of a day at which people buy, the last minute of it included.
HOURS = ("00:00", "08:10", "11:30", "14:00", "19:45", "23:59")
FAULTS = ("timeout", "http_500", "html", "reset", "unsigned", "wrong_signature", "system_error")
METHODS = ("alipay.trade.query", "alipay.trade.refund", "alipay.trade.fastpay.refund.query", BILL)


class Month:
    """What happens in a shop, by the dice of a seed."""

    def __init__(self, world: World, *, seed: int) -> None:
        self.world, self.dice = world, random.Random(seed)
        self.alice = User.objects.create_user("alice")
        self.operator = User.objects.create_superuser("operator")
        self.owner = User.objects.create_superuser("owner")
        self.goods = [
            make_product(f"tea {price}", price=price, stock=100_000)
            for price in ("0.01", "9.90", "88.88", "1234.56")
        ]
        self.happened: Counter[str] = Counter()

    def day(self, number: int) -> None:
        """Sell at some hours of a day, and let the worker do its part at each."""
        day = FIRST + timedelta(days=number)
        for hour in HOURS:
            self.world.go_to(day, hour)
            for _ in range(self.orders_at(number, hour)):
                self.buy()
            if self.dice.random() < 0.3:
                self.something_breaks()
            if self.dice.random() < 0.5:
                self.give_something_back()
            self.work()

    def orders_at(self, number: int, hour: str) -> int:
        """Return how many buy at that hour; nobody does on some days."""
        if number % 9 == 5:
            return 0
        spread = ORDERS / (DAYS * len(HOURS))
        return int(spread) + (self.dice.random() < spread % 1)

    def buy(self) -> None:
        """Let somebody place an order, and pay it: in time, too late, twice, or never."""
        order = make_order(self.alice, self.dice.choice(self.goods), quantity=1)
        payment = Payment.objects.attempt(order)
        self.world.bring_to_the_cashier(payment)
        fate = self.dice.choices(
            ["told", "lost", "late", "twice", "never", "console"], [55, 15, 8, 7, 10, 5]
        )[0]
        self.happened[fate] += 1
        if fate == "never":
            return
        if fate == "late":
            order.cancel()
        self.world.sandbox.control(f"trades/{payment}/pay", {})
        if fate == "twice":
            second = Payment.objects.attempt(order, kind=Payment.Kind.WAP)
            self.world.bring_to_the_cashier(second)
            self.world.sandbox.control(f"trades/{second}/pay", {})
            self.tell(second)
        if fate != "lost":
            self.tell(payment)
        if fate == "console":
            amount = self.dice.choice([payment.amount, Decimal("0.01")])
            with suppress(AlipayTrouble):  # done all the same, or not at all
                in_console(self.world, payment, str(amount), f"{payment}-console")

    def tell(self, payment: Payment) -> None:
        """Let Alipay's notice come, now and then twice."""
        trade = self.world.sandbox.trade(payment.out_trade_no)
        told = notice(
            payment,
            trade_no=trade["trade_no"],
            gmt_payment=trade["gmt_payment"][:19].replace("T", " "),
        )
        for _ in range(self.dice.choice([1, 1, 1, 2])):
            assert post(told).content == b"success"

    def give_something_back(self) -> None:
        """Refund a part of some payment, or all of it."""
        paid = Payment.objects.filter(status=Payment.Status.PAID).order_by("id")
        payment = self.dice.choice([*paid, None])
        if payment is None or payment.refundable() <= 0:
            return
        self.happened["refund"] += 1
        amount = self.dice.choice([payment.refundable(), Decimal("0.01")])
        refund = refunds.request_refund(payment, amount=amount, by=self.operator)
        if refund.status == Refund.Status.WAITING:
            refunds.approve(refund, by=self.owner)

    def something_breaks(self) -> None:
        """Let the next call of some kind go wrong, before or after Alipay has done it."""
        self.happened["fault"] += 1
        self.world.fault(
            self.dice.choice(FAULTS),
            self.dice.choice(METHODS),
            when=self.dice.choice(["before", "after"]),
        )

    def work(self) -> None:
        """Do what the worker does."""
        ask_what_is_due()
        cancel_expired_orders()
        refunds.send_what_is_due()
        reconciliation.reconcile_what_is_due()


@pytest.fixture
def world(db: None, sandbox: Sandbox) -> Iterator[World]:
    with travelling(sandbox) as world:
        yield world


def test_every_day_of_a_month_adds_up(world: World) -> None:
    month = Month(world, seed=20500301)

    for number in range(DAYS):
        month.day(number)
    for hour in ("10:00", "10:30", "12:00", "13:00", "15:00"):
        world.go_to(FIRST + timedelta(days=DAYS), hour)
        month.work()

    days = dict(Bill.objects.values_list("day", "status"))
    assert sorted(days) == [FIRST + timedelta(days=number) for number in range(DAYS)]
    assert set(days.values()) <= {"READ", "EMPTY"}
    assert list(Difference.objects.open()) == []
    assert Bill.objects.filter(due_at__isnull=False).count() == 0
    assert journal.balance(Account.ALIPAY) == world.balance()
    assert journal.balance(Account.LATE_MONEY) == 0
    # One fails when its money was given back in the console before.
    assert set(Refund.objects.values_list("status", flat=True)) <= {"DONE", "FAILED"}
    assert min(month.happened.values()) > 0
    assert len(month.happened) == 8
