"""Above REFUND_APPROVAL_AMOUNT two operators must agree; what failed can be tried again."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from conftest import Sandbox
from orders.models import Order
from payments.exceptions import (
    RefundNotFailed,
    RefundNotWaiting,
    RefundTooHigh,
    SecondOperatorNeeded,
)
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.refunds import approve, decline, retry
from payments.tests.test_expiry import order, payment, tick  # noqa: F401
from payments.tests.test_refunds import paid, refund  # noqa: F401
from users.models import User


@pytest.fixture(autouse=True)
def _limit(settings: Any) -> None:
    settings.REFUND_APPROVAL_AMOUNT = Decimal("10.00")


@pytest.mark.parametrize(("amount", "status"), [("10.00", "DONE"), ("10.01", "WAITING")])
def test_above_the_limit_a_refund_waits(
    paid: Payment,  # noqa: F811
    sandbox: Sandbox,
    operator: User,
    amount: str,
    status: str,
) -> None:
    asked = refund(paid, amount, operator)

    tick()

    asked.refresh_from_db()
    assert asked.status == status
    assert sandbox.trade(paid.out_trade_no)["refund_fee"] == (
        amount if status == "DONE" else "0.00"
    )


def test_small_refunds_do_not_add_up_past_the_limit(
    paid: Payment,  # noqa: F811
    operator: User,
    alice: User,
) -> None:
    first, second, third = (refund(paid, amount, operator) for amount in ("6.00", "4.00", "0.01"))
    assert [each.status for each in (first, second, third)] == ["REQUESTED", "REQUESTED", "WAITING"]

    approve(third, by=alice)

    # What two have agreed on does not count against the next.
    assert refund(paid, "0.01", operator).status == "WAITING"


def test_a_second_operator_lets_it_go(
    paid: Payment,  # noqa: F811
    sandbox: Sandbox,
    operator: User,
    alice: User,
) -> None:
    asked = refund(paid, "19.80", operator)
    with pytest.raises(SecondOperatorNeeded):
        approve(asked, by=operator)

    approve(asked, by=alice)
    with pytest.raises(RefundNotWaiting):
        approve(asked, by=alice)
    tick()

    assert sandbox.trade(paid.out_trade_no)["refund_fee"] == "19.80"
    assert Order.objects.get().status == "REFUNDED"
    told = Order.objects.get().events.filter(what__startswith="REFUND").values_list("what", "by")
    assert list(told) == [
        ("REFUND_REQUESTED", operator.pk),
        ("REFUND_APPROVED", alice.pk),
        ("REFUND_DONE", None),
        ("REFUNDED", None),
    ]


def test_a_declined_refund_moves_nothing_and_leaves_room(
    paid: Payment,  # noqa: F811
    sandbox: Sandbox,
    operator: User,
    alice: User,
) -> None:
    asked = refund(paid, "19.80", operator)
    with pytest.raises(RefundTooHigh):
        refund(paid, "0.01", operator)

    decline(asked, by=alice, reason="not agreed")
    tick()

    assert Refund.objects.get().status == "DECLINED"
    assert sandbox.trade(paid.out_trade_no)["refund_fee"] == "0.00"
    assert refund(paid, "1.00", operator).status == "REQUESTED"
    with pytest.raises(RefundNotFailed):
        retry(asked, by=alice)


def test_a_failed_refund_is_tried_again_with_its_number(
    paid: Payment,  # noqa: F811
    sandbox: Sandbox,
    operator: User,
) -> None:
    asked = refund(paid, "1.00", operator)
    sandbox.fault("refuse", "refund", sub_code="ACQ.REFUND_FEE_ERROR", times=1)
    tick()
    asked.refresh_from_db()
    assert asked.status == "FAILED"

    retry(asked, by=operator)
    tick()

    asked.refresh_from_db()
    trade = sandbox.trade(paid.out_trade_no)
    assert asked.status == "DONE"
    assert [each["out_request_no"] for each in trade["refunds"]] == [asked.out_request_no]


def test_a_failed_refund_whose_place_was_taken_stays_failed(
    paid: Payment,  # noqa: F811
    sandbox: Sandbox,
    operator: User,
) -> None:
    asked = refund(paid, "9.00", operator)
    sandbox.fault("refuse", "refund", sub_code="ACQ.REFUND_FEE_ERROR", times=1)
    tick()
    refund(paid, "10.81", operator)

    with pytest.raises(RefundTooHigh):
        retry(asked, by=operator)


def test_the_buyer_is_told_that_it_waits_and_nothing_of_one_declined(
    paid: Payment,  # noqa: F811
    alices: Client,
    operator: User,
    alice: User,
) -> None:
    asked = refund(paid, "10.01", operator)
    address = f"/order/payment/{paid.order}/"

    waiting = alices.get(address, headers={"Accept-Language": "en"}).content.decode()
    decline(asked, by=alice, reason="no")
    declined = alices.get(address, headers={"Accept-Language": "en"}).content.decode()

    assert "once the shop has approved it" in waiting
    assert "10.01" not in declined
