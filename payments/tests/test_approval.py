"""Above REFUND_APPROVAL_AMOUNT two operators must agree; what failed can be tried again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from conftest import Sandbox, make_order, make_product
from orders.models import Order
from payments.exceptions import (
    OwnOrder,
    RefundNotFailed,
    RefundNotWaiting,
    RefundTooHigh,
    SecondOperatorNeeded,
)
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.refunds import approve, decline, retry
from payments.tests.alipay_side import paid as alipay_paid
from payments.tests.test_expiry import order, payment, tick  # noqa: F401
from payments.tests.test_refunds import paid, refund  # noqa: F401
from users.models import AccountChange, User


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
    cashier: User,
) -> None:
    first, second, third = (refund(paid, amount, operator) for amount in ("6.00", "4.00", "0.01"))
    assert [each.status for each in (first, second, third)] == ["REQUESTED", "REQUESTED", "WAITING"]

    approve(third, by=cashier)

    # What two have agreed on does not count against the next.
    assert refund(paid, "0.01", operator).status == "WAITING"


def test_a_second_operator_lets_it_go(
    paid: Payment,  # noqa: F811
    sandbox: Sandbox,
    operator: User,
    cashier: User,
) -> None:
    asked = refund(paid, "19.80", operator)
    with pytest.raises(SecondOperatorNeeded):
        approve(asked, by=operator)

    approve(asked, by=cashier)
    with pytest.raises(RefundNotWaiting):
        approve(asked, by=cashier)
    tick()

    assert sandbox.trade(paid.out_trade_no)["refund_fee"] == "19.80"
    assert Order.objects.get().status == "REFUNDED"
    told = Order.objects.get().events.filter(what__startswith="REFUND").values_list("what", "by")
    assert list(told) == [
        ("REFUND_REQUESTED", operator.pk),
        ("REFUND_APPROVED", cashier.pk),
        ("REFUND_DONE", None),
        ("REFUNDED", None),
    ]


def test_a_declined_refund_moves_nothing_and_leaves_room(
    paid: Payment,  # noqa: F811
    sandbox: Sandbox,
    operator: User,
    cashier: User,
) -> None:
    asked = refund(paid, "19.80", operator)
    with pytest.raises(RefundTooHigh):
        refund(paid, "0.01", operator)

    decline(asked, by=cashier, reason="not agreed")
    tick()

    assert Refund.objects.get().status == "DECLINED"
    assert sandbox.trade(paid.out_trade_no)["refund_fee"] == "0.00"
    assert refund(paid, "1.00", operator).status == "REQUESTED"
    with pytest.raises(RefundNotFailed):
        retry(asked, by=cashier)


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
    cashier: User,
) -> None:
    asked = refund(paid, "10.01", operator)
    address = f"/order/payment/{paid.order}/"

    waiting = alices.get(address, headers={"Accept-Language": "en"}).content.decode()
    decline(asked, by=cashier, reason="no")
    declined = alices.get(address, headers={"Accept-Language": "en"}).content.decode()

    assert "once the shop has approved it" in waiting
    assert "10.01" not in declined


# Whose order, whose account, whose day


@pytest.mark.parametrize("step", ["request", "approve", "retry"])
def test_nobody_has_a_hand_in_the_money_of_their_own_order(
    paid: Payment,  # noqa: F811
    operator: User,
    alice: User,
    step: str,
) -> None:
    if step != "request":
        refund(paid, "19.80", operator)
    if step == "retry":
        Refund.objects.update(status="FAILED")

    steps: dict[str, Callable[[], object]] = {
        "request": lambda: refund(paid, "1.00", alice),
        "approve": lambda: approve(Refund.objects.get(), by=alice),
        "retry": lambda: retry(Refund.objects.get(), by=alice),
    }

    with pytest.raises(OwnOrder):
        steps[step]()

    assert not Refund.objects.filter(status="REQUESTED").exists()


@pytest.mark.parametrize("of", ["asker", "approver"])
def test_whoever_is_behind_an_account_is_no_second_operator_for_it(
    paid: Payment,  # noqa: F811
    operator: User,
    bob: User,
    of: str,
) -> None:
    asked = refund(paid, "19.80", operator)
    account, by = (operator, bob) if of == "asker" else (bob, operator)
    AccountChange.objects.create(account=account, by=by, what="CHANGED")

    with pytest.raises(SecondOperatorNeeded):
        approve(asked, by=bob)

    with time_machine.travel(timezone.now() + timedelta(days=8)):
        approve(asked, by=bob)


@pytest.fixture
def others(bob: User) -> list[Payment]:
    """Three payments, of three orders, of 19.80 each."""
    goods = make_product("incense", price="19.80", stock=3)
    return [alipay_paid(make_order(bob, goods), trade_no=f"20261122000{n}") for n in range(3)]


def test_the_limit_counts_an_operators_day(
    others: list[Payment], operator: User, cashier: User
) -> None:
    with time_machine.travel("2026-11-22T23:59:00+08:00"):
        first = refund(others[0], "10.00", operator)
        second = refund(others[1], "0.01", operator)
        of_another = refund(others[1], "10.00", cashier)
    with time_machine.travel("2026-11-23T00:00:00+08:00"):
        next_day = refund(others[2], "10.00", operator)

    asked = (first, second, of_another, next_day)
    assert [each.status for each in asked] == ["REQUESTED", "WAITING", "WAITING", "REQUESTED"]


def test_what_waits_or_was_approved_is_not_of_one_operators_day(
    others: list[Payment], operator: User, cashier: User
) -> None:
    waits = refund(others[0], "19.80", operator)

    assert refund(others[1], "5.00", operator).status == "REQUESTED"
    approve(waits, by=cashier)
    assert refund(others[2], "5.00", operator).status == "REQUESTED"
    assert refund(others[2], "0.01", operator).status == "WAITING"


def test_a_retry_is_of_the_day_on_which_it_is_tried(others: list[Payment], operator: User) -> None:
    with time_machine.travel("2026-11-22T12:00:00+08:00"):
        failed = refund(others[0], "10.00", operator)
        Refund.objects.update(status="FAILED")
    with time_machine.travel("2026-11-23T12:00:00+08:00"):
        refund(others[1], "0.01", operator)
        retry(failed, by=operator)
        assert Refund.objects.get(pk=failed.pk).status == "WAITING"
    with time_machine.travel("2026-11-24T12:00:00+08:00"):
        Refund.objects.filter(pk=failed.pk).update(status="FAILED")
        retry(failed, by=operator)

        assert Refund.objects.get(pk=failed.pk).status == "REQUESTED"
        assert refund(others[1], "0.01", operator).status == "WAITING"


@pytest.mark.django_db(transaction=True)
def test_two_refunds_of_one_operator_at_once_are_counted_both(
    others: list[Payment], operator: User
) -> None:
    def ask(bought: Payment) -> str:
        try:
            return refund(bought, "6.00", operator).status
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as threads:
        statuses = list(threads.map(ask, others))

    assert sorted(statuses) == ["REQUESTED", "WAITING", "WAITING"]
