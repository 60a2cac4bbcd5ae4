"""Paid once, on evidence: money rule 3, in every order and all at once."""

import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection, transaction

from conftest import make_order, make_product
from orders.exceptions import OrderNotCancellable
from orders.models import Order
from payments.alipay import Trade
from payments.exceptions import OrderNotPayable, Refused
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.tests.alipay_side import TRADE_NO, notice
from products.models import Product
from users.models import User


@pytest.fixture
def payment(alice: User, tea: Product) -> Payment:
    return Payment.objects.attempt(make_order(alice, tea))


def trade_of(payment: Payment) -> Trade:
    return Trade(
        out_trade_no=payment.out_trade_no,
        trade_no=TRADE_NO,
        trade_status="TRADE_SUCCESS",
        total_amount=payment.amount,
    )


def test_settle_twice_changes_nothing(payment: Payment) -> None:
    first = payment.settle(trade_of(payment))
    paid = Order.objects.values().get()

    second = Payment.objects.get().settle(trade_of(payment))

    assert (first, second) == (True, False)
    assert Order.objects.values().get() == paid
    assert paid["status"] == "PAID"


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("total_amount", {"total_amount": Decimal("9.89")}),
        ("total_amount", {"total_amount": Decimal("99.00")}),
        ("trade_status", {"trade_status": "WAIT_BUYER_PAY"}),
        ("trade_status", {"trade_status": "TRADE_CLOSED"}),
        ("out_trade_no", {"out_trade_no": "other"}),
    ],
)
def test_settle_refuses_and_writes_nothing(
    payment: Payment, check: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(Refused) as refusal, transaction.atomic():
        payment.settle(replace(trade_of(payment), **changes))

    assert refusal.value.check == check
    assert (Order.objects.get().status, Payment.objects.get().status) == ("UNPAID", "PENDING")


def test_settle_refuses_a_second_trade_for_one_number(payment: Payment) -> None:
    payment.settle(trade_of(payment))

    with pytest.raises(Refused) as refusal, transaction.atomic():
        Payment.objects.get().settle(replace(trade_of(payment), trade_no="2026"))

    assert refusal.value.check == "trade_no"
    assert Order.objects.get().transaction_id == TRADE_NO


def test_the_amount_is_that_of_the_attempt(payment: Payment) -> None:
    """Not that of the product now, nor with other trailing zeros."""
    Product.objects.update(price=Decimal("0.01"))

    assert payment.settle(replace(trade_of(payment), total_amount=Decimal("9.9")))


def test_attempt_keeps_its_number_until_it_is_closed(payment: Payment) -> None:
    order = payment.order
    again = Payment.objects.attempt(order)
    again.close()

    other = Payment.objects.attempt(order)

    assert (payment.out_trade_no, again.pk) == (order.order_id, payment.pk)
    assert other.out_trade_no == f"{order.order_id}_2"


@pytest.mark.parametrize("fate", ["paid", "cancelled", "expired"])
def test_attempt_refuses_what_can_not_be_paid(payment: Payment, fate: str) -> None:
    order = payment.order
    if fate == "paid":
        payment.settle(trade_of(payment))
    elif fate == "cancelled":
        order.cancel()
    else:
        Order.objects.update(expires_at=order.created_at)

    with pytest.raises(OrderNotPayable):
        Payment.objects.attempt(order)

    assert Payment.objects.count() == 1


def post(address: str, fields: dict[str, str]) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(address, urlencode(fields).encode(), timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


@pytest.mark.django_db(transaction=True)
def test_twenty_notices_at_once_settle_once(shop: str) -> None:
    alice = User.objects.create_user("alice")
    payment = Payment.objects.attempt(make_order(alice, make_product()))
    genuine, forged = notice(payment), {**notice(payment), "total_amount": "9.91"}
    finished = notice(payment, trade_status="TRADE_FINISHED")
    address = f"{shop}/payments/alipay/notify/"

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda fields: post(address, fields), [genuine, finished] * 10))
        refusals = list(pool.map(lambda fields: post(address, fields), [forged] * 5))

    assert answers == [(200, b"success")] * 20
    assert refusals == [(400, b"failure")] * 5
    assert Counter(Notice.objects.values_list("verdict", flat=True)) == {
        "SETTLED": 1,
        "REPEATED": 19,
        "REFUSED": 5,
    }
    assert Order.objects.get().status == "PAID"


@pytest.mark.django_db(transaction=True)
def test_notice_and_cancel_at_once_leave_one_outcome(shop: str) -> None:
    alice = User.objects.create_user("alice")
    tea = make_product(stock=100)
    orders = [make_order(alice, tea) for _ in range(10)]
    # Alipay gives each trade its own number.
    fields = [
        notice(Payment.objects.attempt(order), trade_no=f"{TRADE_NO[:-2]}{number:02}")
        for number, order in enumerate(orders)
    ]
    address = f"{shop}/payments/alipay/notify/"

    def cancel(order: Order) -> bool:
        try:
            order.cancel()
        except OrderNotCancellable:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(20) as pool:
        notices = [pool.submit(post, address, each) for each in fields]
        cancels = [pool.submit(cancel, order) for order in orders]
        cancelled = sum(each.result() for each in cancels)
        answers = [each.result() for each in notices]

    assert answers == [(200, b"success")] * 10
    assert Order.objects.filter(status="CANCELLED").count() == cancelled
    assert Order.objects.filter(status="PAID").count() == 10 - cancelled
    assert set(Payment.objects.values_list("status", flat=True)) == {"PAID"}
    tea.refresh_from_db()
    assert tea.stock == 90 + cancelled
