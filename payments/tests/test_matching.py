"""What Alipay says is believed only of the very payment that it is about, to the fen."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import transaction

from conftest import make_order
from orders.models import Event, Order
from payments import alipay, notify
from payments.exceptions import Refused
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.query import NOT_BORN, record_answer
from payments.refunds import request_refund
from payments.tests.alipay_side import TRADE_NO, notice, paid
from payments.tests.test_notify import post
from payments.tests.test_settle import trade_of
from products.models import Product
from users.models import User

ANOTHERS: list[tuple[str, dict[str, Any]]] = [
    ("out_trade_no", {"out_trade_no": "another"}),
    ("total_amount", {"total_amount": Decimal("9.89")}),
    ("total_amount", {"total_amount": Decimal("9.91")}),
]


@pytest.fixture
def payment(alice: User, tea: Product) -> Payment:
    return Payment.objects.attempt(make_order(alice, tea))


def states() -> tuple[list[str], list[str]]:
    return (
        list(Order.objects.order_by("id").values_list("status", flat=True)),
        list(Payment.objects.order_by("id").values_list("status", flat=True)),
    )


@pytest.mark.parametrize(("check", "changes"), ANOTHERS)
@pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_CLOSED", "WAIT_BUYER_PAY"])
def test_no_answer_about_another_trade_is_believed(
    payment: Payment, status: str, check: str, changes: dict[str, Any]
) -> None:
    """Nobody listens at Alipay's address in this test: to close it there would be another error."""
    trade = replace(trade_of(payment), trade_status=status, **changes)

    with pytest.raises(Refused) as refusal, transaction.atomic():
        record_answer(payment, status, trade, then_close=True)

    assert refusal.value.check == check
    assert states() == (["UNPAID"], ["PENDING"])


def test_an_answer_about_this_trade_is_believed(payment: Payment) -> None:
    trade = replace(trade_of(payment), trade_status="TRADE_CLOSED")

    assert record_answer(payment, "TRADE_CLOSED", trade, then_close=False)

    assert states() == (["UNPAID"], ["CLOSED"])


def test_a_trade_that_waits_is_left_alone_unless_it_is_to_end(payment: Payment) -> None:
    trade = replace(trade_of(payment), trade_status="WAIT_BUYER_PAY")

    assert record_answer(payment, "WAIT_BUYER_PAY", trade, then_close=False)

    assert states() == (["UNPAID"], ["PENDING"])


@pytest.mark.parametrize(
    ("answer", "is_clear"),
    [(f"{NOT_BORN} no", True), ("unknown, timeout", False), ("ACQ.SYSTEM_ERROR", False)],
)
def test_only_an_unborn_trade_is_a_clear_no(payment: Payment, answer: str, is_clear: bool) -> None:
    assert record_answer(payment, answer, None, then_close=True) == is_clear

    assert states() == (["UNPAID"], ["PENDING"])  # not over yet


@pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"])
@pytest.mark.parametrize("amount", ["9.89", "9.91"])
def test_no_notice_of_another_amount_is_believed(
    payment: Payment, status: str, amount: str
) -> None:
    answer = post(notice(payment, trade_status=status, total_amount=amount))

    assert answer.content == b"failure"
    assert states() == (["UNPAID"], ["PENDING"])
    assert Notice.objects.get().reason.startswith("total_amount")


@pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"])
def test_no_notice_of_another_trade_is_believed(alice: User, tea: Product, status: str) -> None:
    payment = paid(make_order(alice, tea))

    answer = post(notice(payment, trade_status=status, trade_no=f"{TRADE_NO}2"))

    assert answer.content == b"failure"
    assert states() == (["PAID"], ["PAID"])


def test_a_notice_after_all_went_back_starts_no_refund(
    alice: User, operator: User, tea: Product
) -> None:
    payment = paid(make_order(alice, tea))
    request_refund(payment, amount=payment.amount, by=operator).mark_done()

    answers = [post(notice(payment, notify_id=number)).content for number in ("2", "3")]

    assert answers == [b"success"] * 2
    assert states() == (["REFUNDED"], ["REFUNDED"])
    assert list(Notice.objects.values_list("verdict", flat=True)) == ["REPEATED"] * 2
    assert Refund.objects.get().cause == "OPERATOR"
    assert not Event.objects.filter(what=Event.What.LATE_MONEY).exists()


@pytest.mark.parametrize("name", ["notify_type", "app_id", "seller_id"])
@pytest.mark.parametrize("value", ["", "another", None])
def test_a_notice_must_be_ours_by_each_of_its_fields(
    payment: Payment, name: str, value: str | None
) -> None:
    changes: dict[str, Any] = {name: value}
    fields = notice(payment, **changes)

    with pytest.raises(Refused) as refusal:
        notify.check(notify.verified_fields(urlencode(fields)))

    assert refusal.value.check == name
    notify.check(notify.verified_fields(urlencode(notice(payment))))


@pytest.mark.parametrize(
    ("status", "is_paid"),
    [
        ("TRADE_SUCCESS", True),
        ("TRADE_FINISHED", True),
        ("TRADE_CLOSED", False),
        ("WAIT_BUYER_PAY", False),
        ("", False),
        ("TRADE_PENDING", False),
    ],
)
def test_two_states_mean_paid(payment: Payment, status: str, is_paid: bool) -> None:
    trade = replace(trade_of(payment), trade_status=status)

    assert trade.is_paid == is_paid


def test_a_closed_attempt_that_was_paid_is_paid(payment: Payment) -> None:
    assert payment.close()
    assert not payment.close()

    assert payment.settle(trade_of(payment))

    assert states() == (["PAID"], ["PAID"])
    assert not Payment.objects.get().close()


def test_evidence_is_kept_where_it_was_said(payment: Payment) -> None:
    record_answer(payment, "TRADE_SUCCESS", trade_of(payment), then_close=False)

    told = Event.objects.get(what=Event.What.PAID)
    assert (told.about, told.evidence) == (TRADE_NO, "trade.query")


def test_bytes_and_fields_are_bounded_just_there(payment: Payment) -> None:
    assert alipay.read_trade(notice(payment)).out_trade_no == payment.out_trade_no
    fields = "&".join(f"{number}=1" for number in range(notify.MAX_FIELDS))

    assert len(notify.parse_form(fields)) == notify.MAX_FIELDS
    with pytest.raises(Refused):
        notify.parse_form(f"{fields}&more=1")


@pytest.mark.parametrize(("more", "kept"), [(0, 1), (1, 0)])
def test_a_notice_of_the_largest_size_is_kept(db: None, rf: Any, more: int, kept: int) -> None:
    body = b"a" * (notify.MAX_BYTES + more)

    notify.notify(rf.post("/", body, content_type="application/x-www-form-urlencoded"))

    assert Notice.objects.count() == kept
