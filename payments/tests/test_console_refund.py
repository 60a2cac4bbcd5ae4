"""A refund made in Alipay's own console: the shop learns of it by its notice, and asks."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from conftest import Sandbox
from orders.models import Order
from payments import alipay, journal
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.alipay_side import notice
from payments.tests.test_expiry import order, payment, tick  # noqa: F401
from payments.tests.test_notify import post
from payments.tests.test_refunds import paid, refund  # noqa: F401
from users.models import User


def refund_in_the_console(paid: Payment, amount: str, number: str = "console-1") -> None:  # noqa: F811
    """Somebody with the same account refunds; no row of ours knows of it."""
    assert alipay.refund(
        out_trade_no=paid.out_trade_no,
        refund_amount=Decimal(amount),
        out_request_no=number,
        refund_reason="by hand",
    )


def refund_notice(paid: Payment, number: str = "console-1", **changes: Any) -> dict[str, str]:  # noqa: F811
    fields: dict[str, Any] = {
        "refund_fee": "5.00",
        "gmt_refund": "2026-11-22 20:10:00.123",
        "out_biz_no": number,
        "trade_no": paid.trade_no,
    }
    return notice(paid, **fields | changes)


def test_it_is_imported_once_with_the_amount_that_alipay_says(
    paid: Payment,  # noqa: F811
    sandbox: Sandbox,
) -> None:
    refund_in_the_console(paid, "5.00")

    # The notice tells a sum, and not whose: what Alipay says, asked, is what counts.
    for _ in range(3):
        answer = post(refund_notice(paid, refund_fee="19.00"))
        assert answer.content == b"success"

    imported = Refund.objects.get()
    assert (imported.amount, imported.status, imported.cause) == (
        Decimal("5.00"),
        "DONE",
        "CONSOLE",
    )
    assert Order.objects.get().status == "PAID"
    assert journal.balance(journal.Account.ALIPAY) == Decimal("14.80")
    assert Notice.objects.order_by("id").first().verdict == "IMPORTED"  # type: ignore[union-attr]


def test_all_of_it_makes_the_order_refunded(paid: Payment, sandbox: Sandbox) -> None:  # noqa: F811
    refund_in_the_console(paid, "19.80")

    post(refund_notice(paid, refund_fee="19.80", trade_status="TRADE_CLOSED"))

    assert Order.objects.get().status == "REFUNDED"
    assert Payment.objects.get().status == "REFUNDED"
    assert journal.balance(journal.Account.ALIPAY) == 0


def test_our_own_that_it_made_needless_is_not_told_to_the_buyer(
    paid: Payment,  # noqa: F811
    alices: Client,
    sandbox: Sandbox,
    operator: User,
) -> None:
    """PC payments are not told of a full refund, so the shop could ask for one more meanwhile."""
    refund_in_the_console(paid, "19.80")
    ours = refund(paid, "19.80", operator)
    tick()
    post(refund_notice(paid, refund_fee="19.80", trade_status="TRADE_CLOSED"))

    told = alices.get(f"/order/payment/{paid.order}/").context["refunds"]

    ours.refresh_from_db()
    assert (ours.status, [refund.cause for refund in told]) == ("FAILED", ["CONSOLE"])
    assert not Refund.objects.failed()


def test_one_that_alipay_does_not_know_books_nothing(paid: Payment, sandbox: Sandbox) -> None:  # noqa: F811
    answer = post(refund_notice(paid))

    assert answer.content == b"failure"
    assert Refund.objects.count() == 0


@pytest.mark.parametrize("kind", ["timeout", "unsigned", "system_error"])
def test_an_unclear_answer_lets_alipay_call_again(
    paid: Payment,  # noqa: F811
    sandbox: Sandbox,
    kind: str,
) -> None:
    refund_in_the_console(paid, "5.00")
    sandbox.fault(kind, "fastpay.refund.query")

    first = post(refund_notice(paid))
    second = post(refund_notice(paid))

    assert (first.content, second.content) == (b"failure", b"success")
    assert Refund.objects.get().status == "DONE"


def test_it_is_imported_also_when_the_notice_of_the_payment_was_lost(
    payment: Payment,  # noqa: F811
    sandbox: Sandbox,
) -> None:
    sandbox.control(f"trades/{payment.out_trade_no}/pay", {})
    trade_no = sandbox.trade(payment.out_trade_no)["trade_no"]
    refund_in_the_console(payment, "5.00")

    answer = post(refund_notice(payment, trade_no=trade_no))

    assert answer.content == b"success"
    assert (Order.objects.get().status, Refund.objects.get().status) == ("PAID", "DONE")


def test_our_own_refund_stays_our_own(paid: Payment, sandbox: Sandbox, operator: User) -> None:  # noqa: F811
    """Its notice may be here before its answer."""
    asked = refund(paid, "5.00", operator)

    answer = post(refund_notice(paid, number=asked.out_request_no))
    tick()

    assert answer.content == b"success"
    assert Refund.objects.get().cause == "OPERATOR"
    assert Refund.objects.get().status == "DONE"
