"""Close, then release (money rule 6), and late money that returns by itself (rule 7)."""

import urllib.request
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from conftest import Sandbox, make_order
from orders.models import Order
from payments import expiry, refunds
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.alipay_side import notice
from payments.tests.test_notify import post
from products.models import Product
from users.models import User

HOUR = timedelta(hours=1)


@pytest.fixture
def order(alice: User, tea: Product) -> Order:
    return make_order(alice, tea, quantity=2)


@pytest.fixture
def payment(alices: Client, order: Order, sandbox: Sandbox) -> Payment:
    """Alice's browser stands before the cashier; she has not logged in there."""
    address = alices.post(f"/order/payment/{order.order_id}/")["Location"]
    urllib.request.urlopen(address, timeout=20).close()
    return Payment.objects.get()


def let_time_pass(passed: timedelta = HOUR) -> None:
    """Move what the shop waits for into the past; Alipay's own time stands still."""
    for order in Order.objects.all():
        Order.objects.filter(pk=order.pk).update(expires_at=order.expires_at - passed)
    for payment in Payment.objects.all():
        due_at = payment.due_at and payment.due_at - passed
        Payment.objects.filter(pk=payment.pk).update(
            time_expire=payment.time_expire - passed, due_at=due_at
        )
    Refund.objects.filter(due_at__isnull=False).update(due_at=timezone.now() - passed)


def tick() -> None:
    """Do what the worker does four times a minute."""
    expiry.ask_what_is_due()
    expiry.cancel_expired_orders()
    refunds.send_what_is_due()


def state() -> tuple[str, str, int]:
    payment = Payment.objects.latest("id")
    return payment.order.status, payment.status, Product.objects.get().stock


def test_an_order_without_an_attempt_expires(order: Order) -> None:
    tick()
    assert Order.objects.get().status == "UNPAID"
    let_time_pass()

    tick()

    assert (Order.objects.get().status, Product.objects.get().stock) == ("CANCELLED", 10)


def test_a_trade_that_was_never_born_expires(payment: Payment, sandbox: Sandbox) -> None:
    let_time_pass()

    tick()

    assert state() == ("CANCELLED", "CLOSED", 10)


def test_an_unborn_trade_keeps_its_minute_of_grace(payment: Payment, sandbox: Sandbox) -> None:
    let_time_pass(payment.time_expire - timezone.now() + timedelta(seconds=5))

    tick()

    assert state() == ("UNPAID", "PENDING", 8)


def test_a_waiting_trade_is_closed_before_the_stock_is_released(
    payment: Payment, sandbox: Sandbox
) -> None:
    sandbox.control(f"trades/{payment.out_trade_no}/scan", {})
    let_time_pass()

    tick()

    assert sandbox.trade(payment.out_trade_no)["trade_status"] == "TRADE_CLOSED"
    assert state() == ("CANCELLED", "CLOSED", 10)


def test_a_notice_that_never_comes_is_asked_for(payment: Payment, sandbox: Sandbox) -> None:
    sandbox.control(f"trades/{payment.out_trade_no}/pay", {})
    tick()
    assert state()[0] == "UNPAID"  # not due yet
    let_time_pass(timedelta(seconds=20))

    tick()

    assert state() == ("PAID", "PAID", 8)


def test_an_order_that_was_paid_in_time_does_not_expire(payment: Payment, sandbox: Sandbox) -> None:
    sandbox.control(f"trades/{payment.out_trade_no}/pay", {})
    let_time_pass()

    tick()

    assert state() == ("PAID", "PAID", 8)


@pytest.mark.parametrize(
    "kind",
    [
        "timeout",
        "http_500",
        "html",
        "reset",
        "unsigned",
        "wrong_signature",
        "system_error",
        "error_response",
    ],
)
@pytest.mark.parametrize("api", ["query", "close"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_unclear_answer_releases_nothing(
    payment: Payment, sandbox: Sandbox, kind: str, api: str, when: str
) -> None:
    sandbox.control(f"trades/{payment.out_trade_no}/scan", {})
    let_time_pass()
    sandbox.fault(kind, api, when=when)

    tick()
    assert state() == ("UNPAID", "PENDING", 8)

    let_time_pass(timedelta(minutes=2))
    tick()
    assert state() == ("CANCELLED", "CLOSED", 10)
    assert sandbox.trade(payment.out_trade_no)["trade_status"] == "TRADE_CLOSED"


def test_the_buyer_cancels_a_waiting_trade(
    alices: Client, payment: Payment, sandbox: Sandbox
) -> None:
    sandbox.control(f"trades/{payment.out_trade_no}/scan", {})

    response = alices.post(f"/order/{payment.order.order_id}/cancel/")

    assert response.status_code == 303
    assert sandbox.trade(payment.out_trade_no)["trade_status"] == "TRADE_CLOSED"
    assert state() == ("CANCELLED", "CLOSED", 10)


def test_the_buyer_can_not_cancel_what_was_paid(
    alices: Client, payment: Payment, sandbox: Sandbox
) -> None:
    sandbox.control(f"trades/{payment.out_trade_no}/pay", {})

    response = alices.post(f"/api/v1/orders/{payment.order.order_id}/cancel")

    assert response.status_code == 409
    assert state() == ("PAID", "PAID", 8)


def test_the_buyer_can_not_cancel_while_alipay_is_silent(
    alices: Client, payment: Payment, sandbox: Sandbox
) -> None:
    sandbox.fault("http_500", "query")

    response = alices.post(f"/api/v1/orders/{payment.order.order_id}/cancel")

    assert (response.status_code, response["Content-Type"]) == (503, "application/problem+json")
    assert state() == ("UNPAID", "PENDING", 8)


def test_late_money_returns_by_itself(alices: Client, payment: Payment, sandbox: Sandbox) -> None:
    """An unborn trade cannot be closed: the buyer pays what was cancelled a moment ago."""
    number = payment.out_trade_no
    alices.post(f"/order/{payment.order.order_id}/cancel/")
    assert state() == ("CANCELLED", "PENDING", 10)
    sandbox.control(f"trades/{number}/pay", {})

    let_time_pass(timedelta(seconds=20))
    tick()
    tick()

    trade = sandbox.trade(number)
    refund = Refund.objects.get()
    assert state() == ("CANCELLED", "REFUNDED", 10)
    assert (refund.status, refund.cause, refund.amount) == ("DONE", "LATE", Decimal("19.80"))
    assert refund.out_request_no == f"{number}_late"
    assert trade["refund_fee"] == "19.80"
    assert [each["out_request_no"] for each in trade["refunds"]] == [f"{number}_late"]


def test_late_money_is_refunded_once_however_often_it_is_told(
    alices: Client, payment: Payment, sandbox: Sandbox
) -> None:
    alices.post(f"/order/{payment.order.order_id}/cancel/")
    trade = sandbox.control(f"trades/{payment.out_trade_no}/pay", {})
    told = notice(payment, trade_no=trade["trade_no"])

    answers = [post(told).content for _ in range(3)]
    tick()
    let_time_pass()
    tick()

    assert answers == [b"success"] * 3
    assert Refund.objects.count() == 1
    assert sandbox.trade(payment.out_trade_no)["refund_fee"] == "19.80"
    assert state() == ("CANCELLED", "REFUNDED", 10)


def test_a_second_payment_of_a_paid_order_returns(
    alices: Client, payment: Payment, sandbox: Sandbox
) -> None:
    """Two attempts, both paid: the order keeps one."""
    first = payment.out_trade_no
    Payment.objects.update(status="CLOSED", due_at=None)
    address = alices.post(f"/order/payment/{payment.order.order_id}/")["Location"]
    urllib.request.urlopen(address, timeout=20).close()
    second = Payment.objects.latest("id")
    for number in (first, second.out_trade_no):
        sandbox.control(f"trades/{number}/pay", {})

    let_time_pass(timedelta(seconds=20))
    tick()
    Payment.objects.filter(out_trade_no=first).update(status="PENDING", due_at=timezone.now())
    tick()
    tick()

    second.refresh_from_db()
    assert second.trade_no
    assert (Order.objects.get().status, Order.objects.get().transaction_id) == (
        "PAID",
        second.trade_no,
    )
    assert sandbox.trade(first)["refund_fee"] == "19.80"
    assert sandbox.trade(second.out_trade_no)["refund_fee"] in ("0.00", None, "")
    assert Product.objects.get().stock == 8


def test_two_workers_do_not_claim_the_same(payment: Payment, sandbox: Sandbox) -> None:
    let_time_pass(timedelta(seconds=20))
    due: Any = Payment.objects.all()

    assert [len(due.claim()), len(due.claim())] == [1, 0]


def test_the_ladder_of_questions(payment: Payment) -> None:
    pauses = []
    for _ in range(5):
        payment.tries += 1
        pauses.append(payment.retry_delay())

    assert pauses == [timedelta(minutes=1), timedelta(minutes=5)] + [timedelta(minutes=10)] * 3
    assert payment.due_at
    assert timedelta(seconds=14) < payment.due_at - payment.created_at <= timedelta(seconds=16)


def test_the_stories_run_by_hand(
    payment: Payment, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("what_is_due", "--dry-run")
    assert capsys.readouterr().out == "Nothing is due.\n"

    let_time_pass()
    call_command("what_is_due", "--dry-run")
    told = capsys.readouterr().out
    assert payment.out_trade_no in told
    assert state() == ("UNPAID", "PENDING", 8)

    call_command("what_is_due")
    assert capsys.readouterr().out.splitlines() == [
        "Payments asked about: 1",
        "Orders expired: 1",
        "Refunds sent: 0",
    ]
    assert state() == ("CANCELLED", "CLOSED", 10)
