"""Times and their edges: what holds at the second before is over at the second itself."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from conftest import Sandbox, make_order
from core import due
from orders.models import Order
from payments import expiry
from payments.models.payment import (
    AFTER_TIME,
    FIRST_ASKED,
    GRACE,
    LOOKED_AT,
    SHORTEST_TIME,
    Payment,
)
from payments.models.refund import Refund
from payments.query import NOT_BORN, record_answer
from payments.tests.alipay_side import TRADE_NO, paid
from payments.tests.test_expiry import order  # noqa: F401
from payments.tests.test_expiry import payment as at_the_cashier  # noqa: F401
from products.models import Product
from users.models import User

NOW = datetime(2026, 11, 22, 16, 30, tzinfo=UTC)  # half past midnight in Beijing
TICK = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _at_half_past_midnight(request: pytest.FixtureRequest) -> Any:
    if "sandbox" in request.fixturenames:
        yield
        return
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def payment(alice: User, tea: Product) -> Payment:
    return Payment.objects.attempt(make_order(alice, tea))


@pytest.mark.parametrize(
    ("expires_at", "is_payable", "is_expired"),
    [(NOW + TICK, True, False), (NOW, False, True), (NOW - TICK, False, True)],
)
def test_an_order_expires_at_its_very_moment(
    alice: User, tea: Product, expires_at: datetime, is_payable: bool, is_expired: bool
) -> None:
    Order.objects.filter(pk=make_order(alice, tea).pk).update(expires_at=expires_at)
    placed = Order.objects.get()

    assert (placed.is_payable, placed.is_expired) == (is_payable, is_expired)
    assert expiry.expired_orders() == [placed] * is_expired


@pytest.mark.parametrize("status", ["PAID", "CLOSED", "PENDING"])
def test_an_order_expires_when_no_attempt_is_open(payment: Payment, status: str) -> None:
    Order.objects.update(expires_at=NOW)
    Payment.objects.update(status=status)

    assert len(expiry.expired_orders()) == (0 if status == "PENDING" else 1)


@pytest.mark.parametrize("status", ["PAID", "CANCELLED", "REFUNDED"])
def test_only_an_unpaid_order_expires(alice: User, tea: Product, status: str) -> None:
    make_order(alice, tea)
    Order.objects.update(expires_at=NOW, status=status)

    assert expiry.expired_orders() == []


@pytest.mark.parametrize(
    ("left", "given"),
    [(MINUTE + SECOND, MINUTE + SECOND), (MINUTE, MINUTE), (SECOND, SHORTEST_TIME)],
)
def test_a_payer_has_the_orders_time_and_a_minute_at_least(
    alice: User, tea: Product, left: timedelta, given: timedelta
) -> None:
    placed = make_order(alice, tea)
    Order.objects.update(expires_at=NOW + left)

    payment = Payment.objects.attempt(placed)

    assert (payment.time_expire - NOW, payment.due_at) == (given, NOW + FIRST_ASKED)


@pytest.mark.parametrize(
    ("expired_for", "is_over"), [(GRACE + TICK, True), (GRACE, False), (-MINUTE, False)]
)
def test_an_unborn_attempt_is_over_after_its_grace(
    payment: Payment, expired_for: timedelta, is_over: bool
) -> None:
    payment.time_expire = NOW - expired_for

    assert payment.is_over == is_over
    assert record_answer(payment, NOT_BORN, None, then_close=True)
    assert Payment.objects.get().is_open != is_over


@pytest.mark.parametrize(
    ("left", "tries", "wait"),
    [
        (2 * MINUTE, 1, MINUTE),
        (2 * MINUTE, 2, 2 * MINUTE + SECOND),
        (20 * MINUTE, 2, 5 * MINUTE),
        (20 * MINUTE, 9, 10 * MINUTE),
        (SECOND, 1, 2 * SECOND),
        (timedelta(), 1, AFTER_TIME),
        (-MINUTE, 9, AFTER_TIME),
    ],
)
def test_it_is_asked_again_just_after_its_end(
    payment: Payment, left: timedelta, tries: int, wait: timedelta
) -> None:
    payment.time_expire, payment.tries = NOW - GRACE + left, tries

    assert payment.retry_delay() == wait


def test_the_ladder_of_a_refund(alice: User, tea: Product) -> None:
    refund = Refund.objects.of_late_money_of(paid(make_order(alice, tea)))

    waits = []
    for tries in range(6):
        refund.tries = tries
        waits.append(refund.retry_delay())

    assert refund.due_at == NOW
    assert waits == [*(timedelta(seconds=each) for each in (15, 15, 60, 300, 1800, 1800))]


@pytest.mark.parametrize(
    ("due_in", "becomes"),
    [(LOOKED_AT + TICK, LOOKED_AT), (LOOKED_AT, LOOKED_AT), (SECOND, SECOND), (None, None)],
)
def test_whoever_looks_makes_it_due_sooner_and_never_later(
    payment: Payment, due_in: timedelta | None, becomes: timedelta | None
) -> None:
    Payment.objects.update(due_at=NOW + due_in if due_in else None)

    Payment.objects.look_sooner(payment.order)

    due_at = Payment.objects.get().due_at
    assert (due_at and due_at - NOW) == becomes


def test_whoever_looks_changes_what_is_open_of_this_order_only(
    alice: User, tea: Product, payment: Payment
) -> None:
    other = Payment.objects.attempt(make_order(alice, tea))
    closed = Payment.objects.attempt(payment.order, kind="qr")
    Payment.objects.update(due_at=NOW + MINUTE)
    Payment.objects.filter(pk=closed.pk).update(status="CLOSED")

    Payment.objects.look_sooner(payment.order)

    soon = Payment.objects.filter(due_at=NOW + LOOKED_AT)
    assert list(soon) == [payment]
    assert other not in soon


@pytest.mark.parametrize(("due_at", "is_due"), [(NOW, True), (NOW + TICK, False), (None, False)])
def test_it_is_due_at_its_very_moment(
    payment: Payment, due_at: datetime | None, is_due: bool
) -> None:
    Payment.objects.update(due_at=due_at)

    assert Payment.objects.due().exists() == is_due
    assert [row.tries for row in Payment.objects.all().claim()] == [1] * is_due


@pytest.mark.parametrize(
    ("since", "is_unclear"), [(due.TOO_LONG, True), (due.TOO_LONG - TICK, False)]
)
def test_after_an_hour_a_person_should_know(
    payment: Payment, since: timedelta, is_unclear: bool
) -> None:
    Payment.objects.update(unclear_since=NOW - since)

    assert Payment.objects.all().unclear().exists() == is_unclear


def test_unclear_is_since_the_first_answer_that_says_nothing(payment: Payment) -> None:
    payment.note_answer(is_clear=False)
    with time_machine.travel(NOW + MINUTE, tick=False):
        payment.note_answer(is_clear=False)
    assert Payment.objects.get().unclear_since == NOW

    payment.note_answer(is_clear=True)
    assert Payment.objects.get().unclear_since is None

    Payment.objects.update(due_at=None)
    payment.note_answer(is_clear=False)
    assert Payment.objects.get().unclear_since is None


def test_paid_at_is_what_alipay_says(alice: User, tea: Product) -> None:
    """In Beijing time, as Alipay writes it."""
    told, untold = (
        paid(make_order(alice, tea), trade_no=f"{TRADE_NO}{number}", gmt_payment=gmt_payment)
        for number, gmt_payment in enumerate(["2026-11-22 23:59:59", None])
    )

    assert told.paid_at == datetime(2026, 11, 22, 15, 59, 59, tzinfo=UTC)
    assert untold.paid_at == NOW
    assert told.order.paid_at == told.paid_at
    assert told.due_at is None
    assert told.amount == Decimal("9.90")


# -- at Alipay -------------------------------------------------------------------------------------


def test_a_trade_that_waits_is_closed_at_its_time_and_not_before(
    at_the_cashier: Payment,  # noqa: F811
    sandbox: Sandbox,
) -> None:
    sandbox.control(f"trades/{at_the_cashier.out_trade_no}/scan", {})
    soon = timezone.now() + MINUTE

    for time_expire, outcome in [(soon, "PENDING"), (timezone.now(), "CLOSED")]:
        Payment.objects.update(time_expire=time_expire, due_at=timezone.now())
        assert expiry.ask_what_is_due() == 1
        assert Payment.objects.get().status == outcome

    assert sandbox.trade(at_the_cashier.out_trade_no)["trade_status"] == "TRADE_CLOSED"


@pytest.mark.parametrize("fate", ["PAID", "CANCELLED", "REFUNDED"])
def test_a_trade_that_waits_for_an_order_that_needs_no_money_is_closed(
    at_the_cashier: Payment,  # noqa: F811
    sandbox: Sandbox,
    fate: str,
) -> None:
    sandbox.control(f"trades/{at_the_cashier.out_trade_no}/scan", {})
    Order.objects.update(status=fate)
    Payment.objects.update(due_at=timezone.now())

    expiry.ask_what_is_due()

    assert Payment.objects.get().status == "CLOSED"
    assert sandbox.trade(at_the_cashier.out_trade_no)["trade_status"] == "TRADE_CLOSED"
