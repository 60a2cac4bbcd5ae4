"""Each guard before money goes back: its bounds to the fen, its states, and its goods."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from conftest import Sandbox, make_order
from orders.models import Order
from payments import alipay, refunds
from payments.approval import needs_approval
from payments.exceptions import (
    AnotherRefund,
    KeyUsed,
    RefundNotFailed,
    RefundNotWaiting,
    RefundTooHigh,
    Refused,
    ResultUnknown,
    SecondOperatorNeeded,
)
from payments.models.payment import Payment
from payments.models.refund import OPEN_REFUNDS, Refund, late_money
from payments.refunds import request_refund
from payments.tests.alipay_side import TRADE_NO, notice, paid
from payments.tests.test_expiry import order, payment  # noqa: F401
from payments.tests.test_refunds import paid as paid_at_alipay  # noqa: F401
from payments.tests.test_settle import trade_of
from products.models import Product
from users.models import User

FEN = Decimal("0.01")
STATES = list(Refund.Status)


@pytest.fixture
def second(db: None) -> User:
    return User.objects.create_superuser("second")


@pytest.fixture
def whole(alice: User, tea: Product) -> Payment:
    """Two teas, paid: ¥19.80."""
    return paid(make_order(alice, tea, quantity=2))


@pytest.fixture
def late(alice: User, tea: Product) -> Payment:
    """One that paid an order which another had paid already."""
    twice = make_order(alice, tea)
    late = Payment.objects.attempt(twice)
    paid_by_phone = Payment.objects.attempt(twice, kind="wap")
    for number, each in enumerate([paid_by_phone, late]):
        each.settle(notice_trade(each, f"{TRADE_NO}{number}"))
    return Payment.objects.get(pk=late.pk)


def notice_trade(payment: Payment, trade_no: str) -> Any:  # noqa: F811
    return alipay.read_trade(notice(payment, trade_no=trade_no))


def refund_in(status: str, payment: Payment, amount: Decimal = FEN) -> Refund:  # noqa: F811
    number = f"{payment.out_trade_no}_{payment.refunds.count() + 1}x"
    return Refund.objects.create(
        payment=payment, amount=amount, out_request_no=number, cause="OPERATOR", status=status
    )


# -- how much --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", STATES)
def test_what_stands_counts_and_what_ended_in_vain_does_not(
    whole: Payment, operator: User, status: str
) -> None:
    refund_in(status, whole, Decimal("10.00"))
    counts = status not in ("FAILED", "DECLINED")
    left = Decimal("9.80" if counts else "19.80")

    with pytest.raises(RefundTooHigh) as refusal:
        request_refund(whole, amount=left + FEN, by=operator)
    request_refund(whole, amount=left, by=operator)

    assert f"¥{left}" in refusal.value.errors["amount"][0]
    assert whole.refundable() == 0


@pytest.mark.parametrize("status", ["PENDING", "CLOSED", "REFUNDED"])
def test_only_a_paid_payment_is_refunded(whole: Payment, operator: User, status: str) -> None:
    Payment.objects.update(status=status)

    with pytest.raises(RefundTooHigh):
        request_refund(whole, amount=FEN, by=operator)

    assert not Payment.objects.get().is_refundable


@pytest.mark.parametrize(("more", "becomes"), [(Decimal(0), "REQUESTED"), (FEN, "WAITING")])
def test_the_limit_itself_needs_no_second_operator(
    whole: Payment, operator: User, settings: Any, more: Decimal, becomes: str
) -> None:
    settings.REFUND_APPROVAL_AMOUNT = Decimal("10.00")

    refund = request_refund(whole, amount=Decimal("10.00") + more, by=operator)

    assert refund.status == becomes
    assert (refund.due_at is None) == (becomes == "WAITING")


def test_the_limit_counts_what_one_operator_decided_alone(
    whole: Payment, operator: User, second: User, settings: Any
) -> None:
    settings.REFUND_APPROVAL_AMOUNT = Decimal("5.00")
    refund_in("DONE", whole, Decimal("3.00"))
    assert not needs_approval(whole, Decimal("2.00"), by=operator)
    assert needs_approval(whole, Decimal("2.01"), by=operator)

    Refund.objects.update(approved_by=second)
    assert not needs_approval(whole, Decimal("5.00"), by=operator)
    Refund.objects.update(approved_by=None, cause="CONSOLE")
    assert not needs_approval(whole, Decimal("5.00"), by=operator)
    Refund.objects.update(cause="OPERATOR", status="FAILED")
    assert not needs_approval(whole, Decimal("5.00"), by=operator)


@pytest.mark.parametrize(("known", "is_refused"), [(0, True), (1, False), (2, True)])
def test_whoever_asks_must_know_of_all_others(
    whole: Payment, operator: User, known: int, is_refused: bool
) -> None:
    request_refund(whole, amount=FEN, by=operator)

    if is_refused:
        with pytest.raises(AnotherRefund):
            request_refund(whole, amount=FEN, by=operator, after=known)
    else:
        request_refund(whole, amount=FEN, by=operator, after=known)

    assert Refund.objects.count() == (1 if is_refused else 2)


@pytest.mark.parametrize(
    "change", [{"amount": Decimal("2.00")}, {"reason": "other"}, {"restocks": True}]
)
def test_a_key_is_for_one_refund(whole: Payment, operator: User, change: dict[str, Any]) -> None:
    same: dict[str, Any] = {"amount": FEN, "reason": "", "restocks": False, "key": "k"}
    first = request_refund(whole, by=operator, **same)

    with pytest.raises(KeyUsed):
        request_refund(whole, by=operator, **same | change)

    assert request_refund(whole, by=operator, **same) == first
    assert Refund.objects.get() == first


# -- its states ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", STATES)
def test_only_what_waits_is_approved_or_declined(
    whole: Payment, operator: User, status: str
) -> None:
    acts: list[Callable[[Refund], None]] = [
        lambda refund: refunds.approve(refund, by=operator),
        lambda refund: refunds.decline(refund, by=operator, reason="no"),
    ]
    for act in acts:
        refund = refund_in(status, whole)
        if status == "WAITING":
            act(refund)
        else:
            with pytest.raises(RefundNotWaiting):
                act(refund)
            assert Refund.objects.latest("id").status == status


def test_nobody_approves_what_they_asked_for(
    whole: Payment, operator: User, second: User, settings: Any
) -> None:
    settings.REFUND_APPROVAL_AMOUNT = Decimal(0)
    refund = request_refund(whole, amount=FEN, by=operator)

    with pytest.raises(SecondOperatorNeeded):
        refunds.approve(refund, by=operator)
    assert Refund.objects.get().is_waiting

    refunds.approve(refund, by=second)
    refund.refresh_from_db()
    assert (refund.status, refund.approved_by) == ("REQUESTED", second)
    assert refund.due_at
    assert refund.due_at <= timezone.now()


@pytest.mark.parametrize("status", STATES)
def test_only_what_failed_is_tried_again(whole: Payment, operator: User, status: str) -> None:
    refund = refund_in(status, whole)

    if status == "FAILED":
        refunds.retry(refund, by=operator)
        assert Refund.objects.get().is_open
    else:
        with pytest.raises(RefundNotFailed):
            refunds.retry(refund, by=operator)
        assert Refund.objects.get().status == status


@pytest.mark.parametrize(("taken", "is_refused"), [("9.80", False), ("9.81", True)])
def test_it_is_tried_again_as_far_as_there_is_room(
    whole: Payment, operator: User, taken: str, is_refused: bool
) -> None:
    failed = refund_in("FAILED", whole, Decimal("10.00"))
    refund_in("DONE", whole, Decimal(taken))

    if is_refused:
        with pytest.raises(RefundTooHigh):
            refunds.retry(failed, by=operator)
    else:
        refunds.retry(failed, by=operator)

    assert Refund.objects.earliest("id").has_failed == is_refused


@pytest.mark.parametrize(
    ("changes", "becomes"),
    [
        ({}, "WAITING"),
        ({"cause": "LATE"}, "REQUESTED"),
        ({"approved": True}, "REQUESTED"),
    ],
)
def test_what_needed_a_second_operator_needs_one_again(
    *, whole: Payment, second: User, settings: Any, changes: dict[str, Any], becomes: str
) -> None:
    settings.REFUND_APPROVAL_AMOUNT = Decimal(0)
    refund = refund_in("FAILED", whole)
    Refund.objects.update(
        cause=changes.get("cause", "OPERATOR"),
        approved_by=second if "approved" in changes else None,
        tries=3,
    )

    refunds.retry(refund, by=second)

    refund.refresh_from_db()
    assert (refund.status, refund.tries) == (becomes, 0)
    assert (refund.due_at is None) == (becomes == "WAITING")


@pytest.mark.parametrize("status", STATES)
def test_money_that_moved_is_a_fact_in_these_states(whole: Payment, status: str) -> None:
    refund = refund_in(status, whole)

    is_first = refund.mark_done()

    assert is_first == (status in ("REQUESTED", "UNKNOWN", "FAILED"))
    assert Refund.objects.get().status == ("DONE" if is_first else status)


@pytest.mark.parametrize("status", STATES)
def test_a_no_or_an_unclear_answer_ends_only_what_is_open(whole: Payment, status: str) -> None:
    is_open = status in OPEN_REFUNDS

    refund_in(status, whole).note("unknown")
    assert Refund.objects.latest("id").status == ("UNKNOWN" if is_open else status)
    assert refund_in(status, whole).mark_failed("ACQ.NO") == is_open
    assert Refund.objects.latest("id").status == ("FAILED" if is_open else status)


@pytest.mark.parametrize("status", [status for status in STATES if status not in OPEN_REFUNDS])
def test_only_what_is_open_is_sent(whole: Payment, status: str) -> None:
    """Nobody listens at Alipay's address in this test: a call would be an answer to note."""
    refund = refund_in("REQUESTED", whole)
    Refund.objects.update(status=status, due_at=timezone.now())

    refunds.send(refund)
    refunds.send_what_is_due()

    assert (Refund.objects.get().status, Refund.objects.get().last_answer) == (status, "")


@pytest.mark.parametrize(
    ("answer", "is_final"),
    [
        ("ACQ.TRADE_HAS_FINISHED done", True),
        ("ACQ.SELLER_BALANCE_NOT_ENOUGH", False),
        ("ACQ.REASON_TRADE_BEEN_FREEZEN", False),
        ("no fund_change", False),
        ("isv.invalid-signature", False),
        ("40004", False),
    ],
)
def test_only_alipays_own_no_is_final(answer: str, is_final: bool) -> None:
    assert refunds.is_final(answer) == is_final


@pytest.mark.parametrize(
    ("amount", "payment_becomes"), [("19.79", "PAID"), ("19.80", "REFUNDED"), ("19.81", "REFUNDED")]
)
def test_all_of_it_to_the_fen_makes_it_refunded(
    whole: Payment, amount: str, payment_becomes: str
) -> None:
    refund_in("REQUESTED", whole, Decimal(amount)).mark_done()

    assert Payment.objects.get().status == payment_becomes
    assert Order.objects.get().status == payment_becomes


# -- late money, and goods -------------------------------------------------------------------------


def test_goods_come_back_only_with_the_payment_that_bought_them(
    late: Payment, operator: User
) -> None:
    Refund.objects.update(status="DECLINED")
    assert late.is_late_money

    refund = request_refund(late, amount=late.amount, by=operator, restocks=True)
    refund.mark_done()

    assert not refund.restocks
    assert (Order.objects.get().status, Product.objects.get().stock) == ("PAID", 9)


def test_goods_come_back_when_they_are_to(whole: Payment, operator: User) -> None:
    request_refund(whole, amount=FEN, by=operator).mark_done()
    assert Product.objects.get().stock == 8

    request_refund(whole, amount=FEN, by=operator, restocks=True).mark_done()
    assert Product.objects.get().stock == 10


def test_late_money_is_told_until_it_is_back(late: Payment) -> None:
    assert list(late_money(Payment.objects.all())) == [late]

    Refund.objects.get().mark_done()

    assert list(late_money(Payment.objects.all())) == []
    assert Order.objects.get().is_paid


def test_late_money_settles_once(late: Payment) -> None:
    Refund.objects.get().mark_done()

    assert not late.settle(notice_trade(late, late.trade_no))

    assert Refund.objects.count() == 1
    assert Payment.objects.that_paid(late.order) != late


# -- the worker, and Alipay ------------------------------------------------------------------------


def test_one_broken_refund_stops_no_other(whole: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, sound = (refund_in("REQUESTED", whole) for _ in range(2))
    Refund.objects.update(due_at=timezone.now())
    sent = []

    def send(refund: Refund) -> None:
        sent.append(refund)
        if refund == broken:
            raise ZeroDivisionError

    monkeypatch.setattr(refunds, "send", send)

    assert refunds.send_what_is_due() == 2
    assert sorted(sent, key=lambda refund: refund.pk) == [broken, sound]


@pytest.mark.parametrize("amount", ["4.99", "5.01"])
def test_a_refund_of_another_amount_is_not_ours(
    paid_at_alipay: Payment,  # noqa: F811
    sandbox: Sandbox,
    amount: str,
) -> None:
    refund = refund_in("FAILED", paid_at_alipay, Decimal(amount))
    assert not refunds.is_done(refund)
    assert alipay.refund(
        out_trade_no=paid_at_alipay.out_trade_no,
        refund_amount=Decimal("5.00"),
        out_request_no=refund.out_request_no,
        refund_reason="",
    )

    with pytest.raises(ResultUnknown):
        refunds.is_done(refund)
    with pytest.raises(ResultUnknown):
        refunds.look_again(refund)
    assert Refund.objects.get().has_failed

    refund.amount = Decimal("5.00")
    assert refunds.is_done(refund)


def test_a_refund_is_imported_only_of_a_payment_that_is_known_to_be_paid(
    paid_at_alipay: Payment,  # noqa: F811
    sandbox: Sandbox,
) -> None:
    number = "console"
    with pytest.raises(Refused):
        refunds.import_refund(paid_at_alipay, out_request_no=number)
    assert alipay.refund(
        out_trade_no=paid_at_alipay.out_trade_no,
        refund_amount=Decimal("5.00"),
        out_request_no=number,
        refund_reason="",
    )

    for status in ("PENDING", "CLOSED"):
        Payment.objects.update(status=status)
        with pytest.raises(Refused):
            refunds.import_refund(paid_at_alipay, out_request_no=number)
    assert not Refund.objects.exists()

    Payment.objects.update(status="PAID")
    imported = refunds.import_refund(paid_at_alipay, out_request_no=number)
    assert refunds.import_refund(paid_at_alipay, out_request_no=number) == imported
    assert Refund.objects.get().amount == Decimal("5.00")


def test_a_settled_payment_says_what_has_moved(whole: Payment) -> None:
    assert (whole.has_moved, whole.may_have_moved, whole.is_refundable) == (True, False, True)
    again = Payment.objects.get()
    assert not again.settle(trade_of(again))
