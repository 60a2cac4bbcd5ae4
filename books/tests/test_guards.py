"""The guards of the books: Beijing's days, whose row it is, and each fee once."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from books import fees, reconciliation, recovery
from books.bill_file import Row
from books.models import Bill
from books.recovery import Ours
from conftest import make_order
from payments.journal import JournalEntry
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.refunds import request_refund
from payments.tests.alipay_side import TRADE_NO, paid
from products.models import Product
from users.models import User

FEN = Decimal("0.01")
AT = datetime(2026, 11, 21, 4, tzinfo=UTC)


@pytest.fixture
def payment(alice: User, tea: Product) -> Payment:
    return paid(make_order(alice, tea))


@pytest.fixture
def refund(payment: Payment, operator: User) -> Refund:
    return request_refund(payment, amount=Decimal("5.00"), by=operator)


def row_of(mine: Payment | Refund, **changes: Any) -> Row:
    row = Row(
        is_refund=isinstance(mine, Refund),
        trade_no=mine.trade_no or TRADE_NO,
        out_trade_no=mine.out_trade_no,
        out_request_no=mine.out_request_no,
        amount=mine.amount,
        received=mine.amount,
        fee=Decimal("0.06"),
        completed_at=AT,
    )
    return row._replace(**changes)


# -- days ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hour", "day"), [(15, 22), (16, 23), (23, 23)])
def test_the_first_day_is_beijings(alice: User, tea: Product, hour: int, day: int) -> None:
    assert reconciliation.first_day() is None
    with time_machine.travel(datetime(2026, 11, 22, hour, 30, tzinfo=UTC), tick=False):
        Payment.objects.attempt(make_order(alice, tea))
    with time_machine.travel(datetime(2026, 11, 25, tzinfo=UTC), tick=False):
        Payment.objects.attempt(make_order(alice, tea))

    assert reconciliation.first_day() == date(2026, 11, day)


@pytest.mark.parametrize(
    ("seconds", "last"), [(-1, 21), (0, 22), (1, 22), (14 * 3600, 22), (24 * 3600, 23)]
)
def test_a_bill_is_expected_at_ten_in_the_morning(db: None, seconds: int, last: int) -> None:
    ten = datetime(2026, 11, 23, 2, tzinfo=UTC)  # in Beijing
    with time_machine.travel(ten + timedelta(seconds=seconds), tick=False):
        for _ in range(2):
            Bill.objects.expect(date(2026, 11, 20))

    days = [bill.day.day for bill in Bill.objects.order_by("day")]
    assert days == list(range(20, last + 1))


# -- whose row it is -------------------------------------------------------------------------------


def test_a_row_is_found_by_both_numbers(payment: Payment, refund: Refund) -> None:
    mine, back = row_of(payment), row_of(refund)
    ours = Ours.of([mine, back])

    assert (ours.movement(mine), ours.movement(back)) == (payment, refund)
    assert ours.movement(mine._replace(trade_no="other")) is None
    assert ours.movement(mine._replace(out_trade_no="other")) is None
    assert ours.movement(back._replace(trade_no="other")) is None
    assert ours.movement(back._replace(out_request_no="other")) is None
    assert ours.refund(mine) is None


def test_a_row_is_found_before_its_trade_is_known(alice: User, tea: Product) -> None:
    unpaid = Payment.objects.attempt(make_order(alice, tea))
    row = row_of(unpaid)

    assert Ours.of([row]).movement(row) == unpaid


@pytest.mark.parametrize(
    ("changes", "is_another"),
    [
        ({}, False),
        *(
            ({name: Decimal("9.90") + off}, True)
            for name in ("amount", "received")
            for off in (FEN, -FEN)
        ),
        ({"amount": Decimal("9.89"), "received": Decimal("9.89")}, True),
    ],
)
def test_an_amount_is_the_same_to_the_fen(
    payment: Payment, changes: dict[str, Decimal], is_another: bool
) -> None:
    assert recovery.is_another_amount(payment, row_of(payment, **changes)) == is_another


@pytest.mark.parametrize(
    ("status", "can"), [("PENDING", True), ("CLOSED", True), ("PAID", False), ("REFUNDED", False)]
)
def test_a_payment_is_asked_about_until_it_moved(payment: Payment, status: str, can: bool) -> None:
    Payment.objects.update(status=status)
    row, other = row_of(payment), row_of(payment, amount=Decimal("9.89"))

    assert recovery.can_be_recovered(row, Ours.of([row])) == can
    assert not recovery.can_be_recovered(other, Ours.of([other]))


@pytest.mark.parametrize("status", list(Refund.Status))
def test_a_refund_is_asked_about_while_it_is_open(refund: Refund, status: str) -> None:
    Refund.objects.update(status=status)
    row = row_of(refund)

    can = recovery.can_be_recovered(row, Ours.of([row]))

    assert can == (status in ("REQUESTED", "UNKNOWN"))


def test_an_unknown_refund_is_asked_about_by_its_number(refund: Refund) -> None:
    cases: list[tuple[dict[str, Any], bool]] = [
        ({"out_request_no": "console"}, True),
        ({"out_request_no": ""}, False),
        ({"out_request_no": "console", "out_trade_no": "other"}, False),
        ({"out_request_no": "console", "is_refund": False, "out_trade_no": "other"}, False),
    ]
    for changes, can in cases:
        row = row_of(refund, **changes)
        assert recovery.can_be_recovered(row, Ours.of([row])) == can


# -- fees ------------------------------------------------------------------------------------------


def fees_in_the_journal() -> list[tuple[str, str, str, Decimal, bool]]:
    entries = JournalEntry.objects.filter(what__in=["FEE", "FEE_BACK"]).order_by("id")
    return [
        (entry.what, entry.debit, entry.credit, entry.amount, entry.refund is not None)
        for entry in entries
    ]


def test_a_fee_is_booked_once_at_the_time_of_its_row(payment: Payment, refund: Refund) -> None:
    refund.mark_done()
    refund.refresh_from_db()
    known: fees.Known = [
        (row_of(payment), payment),
        (row_of(refund, fee=Decimal("-0.03")), refund),
    ]

    assert [fees.book_fees(known) for _ in range(2)] == [[], []]

    assert fees_in_the_journal() == [
        ("FEE", "FEES", "ALIPAY", Decimal("0.06"), False),
        ("FEE_BACK", "ALIPAY", "FEES", Decimal("0.03"), True),
    ]
    assert set(JournalEntry.objects.filter(what__startswith="FEE").values_list("at")) == {(AT,)}


@pytest.mark.parametrize("fee", ["0.05", "0.07", "0.00", "-0.06"])
def test_another_fee_is_told_and_not_booked(payment: Payment, fee: str) -> None:
    fees.book_fees([(row_of(payment), payment)])
    changed = row_of(payment, fee=Decimal(fee))

    told = fees.book_fees([(changed, payment)])

    assert told == [(changed, payment, Decimal("0.06"))]
    assert len(fees_in_the_journal()) == 1


@pytest.mark.parametrize("fee", ["0.00", "0.06"])
@pytest.mark.parametrize("has_moved", [True, False])
def test_what_did_not_move_and_nothing_is_no_fee(
    payment: Payment, fee: str, has_moved: bool
) -> None:
    if not has_moved:
        payment.status = Payment.Status.CLOSED

    assert fees.book_fees([(row_of(payment, fee=Decimal(fee)), payment)]) == []

    assert len(fees_in_the_journal()) == (1 if has_moved and fee != "0.00" else 0)
