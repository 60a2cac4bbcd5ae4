"""A refund is never guessed, and never sent twice: money rule 8."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from books import audit
from conftest import Sandbox, make_order, make_product
from orders.models import Order
from payments import journal
from payments.exceptions import RefundTooHigh
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.query import ask
from payments.refunds import request_refund, send
from payments.tests.alipay_side import notice
from payments.tests.alipay_side import paid as alipay_paid
from payments.tests.test_expiry import let_time_pass, order, payment, tick  # noqa: F401
from payments.tests.test_notify import post
from payments.tests.test_settle import trade_of
from products.models import Product
from users.models import User


@pytest.fixture
def paid(payment: Payment, sandbox: Sandbox) -> Payment:  # noqa: F811
    sandbox.control(f"trades/{payment.out_trade_no}/pay", {})
    assert ask(payment)
    return Payment.objects.get()


def refund(paid: Payment, amount: str, by: User, **options: Any) -> Refund:
    return request_refund(paid, amount=Decimal(amount), by=by, reason="changed / mind", **options)


def test_a_full_refund_makes_the_order_refunded(
    paid: Payment, sandbox: Sandbox, operator: User
) -> None:
    refund(paid, "19.80", operator, restocks=True)

    tick()

    assert (Order.objects.get().status, Payment.objects.get().status) == ("REFUNDED", "REFUNDED")
    assert Product.objects.get().stock == 10
    assert sandbox.trade(paid.out_trade_no)["refund_fee"] == "19.80"


def test_partial_refunds_come_to_the_whole(paid: Payment, sandbox: Sandbox, operator: User) -> None:
    refund(paid, "5.00", operator)
    tick()
    assert Order.objects.get().status == "PAID"
    refund(paid, "14.80", operator)

    tick()

    trade = sandbox.trade(paid.out_trade_no)
    assert Order.objects.get().status == "REFUNDED"
    assert Product.objects.get().stock == 8
    assert [each["refund_amount"] for each in trade["refunds"]] == ["5.00", "14.80"]


@pytest.mark.parametrize("amount", ["19.81", "100.00"])
def test_no_more_goes_back_than_was_paid(paid: Payment, operator: User, amount: str) -> None:
    with pytest.raises(RefundTooHigh):
        refund(paid, amount, operator)

    assert Refund.objects.count() == 0


def test_what_is_on_its_way_counts(paid: Payment, operator: User) -> None:
    refund(paid, "19.00", operator)

    with pytest.raises(RefundTooHigh) as refusal:
        refund(paid, "0.81", operator)

    assert "0.80" in refusal.value.errors["amount"][0]


def test_an_unpaid_order_has_nothing_to_refund(
    payment: Payment,  # noqa: F811
    operator: User,
) -> None:
    with pytest.raises(RefundTooHigh):
        refund(payment, "0.01", operator)


@pytest.mark.parametrize("when", ["before", "after"])
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
def test_an_unclear_refund_is_asked_again_with_the_same_number(
    paid: Payment, sandbox: Sandbox, operator: User, kind: str, when: str
) -> None:
    refund(paid, "5.00", operator)
    sandbox.fault(kind, "refund", when=when)

    tick()
    assert Refund.objects.get().status == "UNKNOWN"
    assert Order.objects.get().status == "PAID"
    let_time_pass()
    tick()

    trade = sandbox.trade(paid.out_trade_no)
    assert Refund.objects.get().status == "DONE"
    assert trade["refund_fee"] == "5.00"
    assert len(trade["refunds"]) == 1


def test_an_unclear_refund_query_is_asked_again(
    paid: Payment, sandbox: Sandbox, operator: User
) -> None:
    """The answer to the refund was lost, and so is that to the question about it."""
    refund(paid, "5.00", operator)
    sandbox.fault("reset", "refund", when="after")
    tick()
    let_time_pass()
    sandbox.fault("http_500", "fastpay.refund.query")

    tick()
    assert Refund.objects.get().status == "UNKNOWN"
    let_time_pass()
    tick()

    assert Refund.objects.get().status == "DONE"
    assert sandbox.trade(paid.out_trade_no)["refund_fee"] == "5.00"


def test_a_merchant_without_money_refunds_later(
    paid: Payment, sandbox: Sandbox, operator: User
) -> None:
    refund(paid, "5.00", operator)
    no_money = {"code": "40004", "sub_code": "ACQ.SELLER_BALANCE_NOT_ENOUGH"}
    sandbox.fault("refuse", "refund", **no_money)

    tick()
    assert (Refund.objects.get().status, Refund.objects.get().last_answer.split()[0]) == (
        "UNKNOWN",
        "ACQ.SELLER_BALANCE_NOT_ENOUGH",
    )
    let_time_pass()
    tick()

    assert Refund.objects.get().status == "DONE"


def test_a_refund_that_alipay_refuses_has_failed(
    paid: Payment, sandbox: Sandbox, operator: User
) -> None:
    refund(paid, "5.00", operator)
    sandbox.fault("refuse", "refund", code="40004", sub_code="ACQ.TRADE_NOT_ALLOW_REFUND")

    tick()

    assert (Refund.objects.get().status, Refund.objects.get().due_at) == ("FAILED", None)
    assert paid.refundable() == Decimal("19.80")
    assert Order.objects.get().status == "PAID"


RATE_LIMIT = {"code": "40005", "sub_code": "isv.app-call-limited"}


@pytest.mark.parametrize("after_an_unclear_one", [False, True])
def test_the_gateways_own_no_decides_nothing(
    paid: Payment, sandbox: Sandbox, operator: User, after_an_unclear_one: bool
) -> None:
    refund(paid, "5.00", operator)
    if after_an_unclear_one:
        sandbox.fault("reset", "refund", when="after")
        tick()
        let_time_pass()
    sandbox.fault("refuse", "refund", **RATE_LIMIT)

    tick()
    let_time_pass()
    tick()

    assert Refund.objects.get().status == "DONE"
    assert sandbox.trade(paid.out_trade_no)["refund_fee"] == "5.00"


def test_a_no_after_the_money_moved_is_no_failure(
    paid: Payment, sandbox: Sandbox, operator: User
) -> None:
    refund(paid, "5.00", operator)
    sandbox.fault("reset", "refund", when="after")
    tick()
    let_time_pass()
    sandbox.fault("refuse", "refund", code="40004", sub_code="ACQ.TRADE_NOT_ALLOW_REFUND")

    tick()

    assert Refund.objects.get().status == "DONE"


def test_an_unclear_question_stops_no_other_refund(
    paid: Payment, sandbox: Sandbox, operator: User
) -> None:
    refund(paid, "5.00", operator)
    refund(paid, "1.00", operator)
    once = {"times": 1, "code": "40004"}
    no = {"kind": "refuse", "method": "alipay.trade.refund", "sub_code": "ACQ.TRADE_STATUS_ERROR"}
    silence = {"kind": "reset", "method": "alipay.trade.fastpay.refund.query", "times": 1}
    sandbox.control("faults", {"items": [no | once, silence]}, method="PUT")

    tick()

    assert sorted(Refund.objects.values_list("status", flat=True)) == ["DONE", "UNKNOWN"]


def test_the_goods_come_back_once(paid: Payment, sandbox: Sandbox, operator: User) -> None:
    for amount in ("5.00", "14.80"):
        refund(paid, amount, operator, restocks=True)
        tick()

    assert (Order.objects.get().status, Product.objects.get().stock) == ("REFUNDED", 10)


def test_what_was_cancelled_does_not_come_back_again(
    alices: Client,
    payment: Payment,  # noqa: F811
    sandbox: Sandbox,
    operator: User,
) -> None:
    alices.post(f"/order/{payment.order.order_id}/cancel/")
    sandbox.control(f"trades/{payment.out_trade_no}/pay", {})
    sandbox.fault("refuse", "refund", code="40004", sub_code="ACQ.BUYER_ERROR")
    assert ask(payment)
    tick()
    assert Refund.objects.get().status == "FAILED"

    refund(Payment.objects.get(), "19.80", operator, restocks=True)
    tick()

    assert Product.objects.get().stock == 10
    assert Payment.objects.get().status == "REFUNDED"


def test_a_refund_that_is_sent_twice_moves_the_money_once(
    paid: Payment, sandbox: Sandbox, operator: User
) -> None:
    """Two workers, one of them slow: both call Alipay with the same number."""
    asked = refund(paid, "19.80", operator, restocks=True)

    send(asked)
    send(asked)

    assert sandbox.trade(paid.out_trade_no)["refund_fee"] == "19.80"
    assert Refund.objects.get().status == "DONE"
    assert Product.objects.get().stock == 10


def test_a_refund_by_hand_of_a_second_payment_leaves_the_order_paid(
    paid: Payment, sandbox: Sandbox, operator: User
) -> None:
    second = Payment.objects.create(
        order=paid.order,
        out_trade_no=f"{paid.out_trade_no}_2",
        amount=paid.amount,
        time_expire=paid.time_expire,
    )
    second.settle(replace(trade_of(second), trade_no="2026112222001400000000000002"))
    late = Refund.objects.get()
    late.mark_failed("ACQ.BUYER_NOT_EXIST")

    by_hand = refund(second, "19.80", operator)
    by_hand.mark_done()

    second.refresh_from_db()
    assert (second.status, Order.objects.get().status) == ("REFUNDED", "PAID")


@pytest.mark.django_db(transaction=True)
def test_operators_at_once_do_not_refund_more_than_was_paid() -> None:
    alice, operator = (User.objects.create_user(name) for name in ("alice", "operator"))
    paid = Payment.objects.attempt(make_order(alice, make_product(price="10.00")))
    paid.settle(trade_of(paid))

    def one_of_many(number: int) -> bool:
        try:
            refund(paid, "3.00", operator)
        except RefundTooHigh:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        requested = sum(pool.map(one_of_many, range(8)))

    assert requested == 3
    assert sorted(Refund.objects.values_list("out_request_no", flat=True)) == [
        f"{paid.out_trade_no}_R{number}" for number in (1, 2, 3)
    ]


def test_the_buyer_sees_what_went_back(alices: Client, paid: Payment, operator: User) -> None:
    refund(paid, "5.00", operator)
    tick()

    page = alices.get(f"/order/{paid.order.order_id}/")
    panel = alices.get(f"/payments/{paid.order.order_id}/panel/", headers={"HX-Request": "true"})

    assert page.status_code == 200
    assert "¥5.00" in panel.content.decode()


def test_the_notice_of_our_own_refund_is_acknowledged(
    paid: Payment, sandbox: Sandbox, operator: User
) -> None:
    asked = refund(paid, "5.00", operator)
    tick()
    told: dict[str, Any] = {"refund_fee": "5.00", "gmt_refund": "2026-11-22 20:00:05.123"}
    before = Payment.objects.values().get()

    ours = post(notice(paid, trade_no=paid.trade_no, out_biz_no=asked.out_request_no, **told))
    strange = post(notice(paid, trade_no=paid.trade_no, out_biz_no="other", **told))

    assert (ours.content, strange.content) == (b"success", b"failure")
    assert Payment.objects.values().get() == before
    assert Order.objects.get().status == "PAID"


def test_many_small_refunds_come_to_the_whole(alice: User, operator: User) -> None:
    """SQLite adds floats, in which sixty times 0.10 is not 6.00."""
    paid = alipay_paid(make_order(alice, make_product(price="6.00")))

    for _ in range(60):
        request_refund(paid, amount=Decimal("0.10"), by=operator).mark_done()

    assert Payment.objects.get().refundable() == Decimal("0.00")
    assert (Payment.objects.get().status, Order.objects.get().status) == ("REFUNDED", "REFUNDED")
    assert journal.balance(journal.Account.ALIPAY) == Decimal("0.00")
    assert journal.balance(journal.Account.RETURNS) == Decimal("6.00")
    assert audit.findings() == []
