"""What a bill tells and the shop does not know, and how it mends itself."""

from datetime import timedelta
from decimal import Decimal

import pytest

from books import reconciliation
from books.models import Difference
from books.tests.reconciling import found, in_console, run
from books.tests.time_travel import DAY, World
from conftest import make_product
from payments import journal, refunds
from payments.alipay import BEIJING
from payments.journal import Account
from payments.models.payment import Payment
from payments.models.refund import Refund
from products.models import Product
from users.models import User


def test_a_lost_notice_is_mended(world: World, alice: User, tea: Product) -> None:
    payment = world.sell(alice, tea, told=False)
    assert payment.status == "PENDING"
    world.morning_after()

    run()

    payment.refresh_from_db()
    assert (payment.status, payment.order.status, payment.billed_on) == ("PAID", "PAID", DAY)
    assert payment.paid_at
    assert payment.paid_at.astimezone(BEIJING).date() == DAY
    assert Difference.objects.count() == 0
    assert journal.balance(Account.ALIPAY) == world.balance()


def test_money_of_a_closed_payment_is_recorded_and_goes_back(
    world: World, alice: User, tea: Product
) -> None:
    payment = world.sell(alice, tea, told=False)
    payment.close()
    payment.order.cancel()
    world.morning_after()

    run()

    assert (Payment.objects.get().status, Refund.objects.get().cause) == ("PAID", "LATE")
    assert Difference.objects.count() == 0


@pytest.mark.parametrize("status", ["REQUESTED", "UNKNOWN"])
def test_an_open_refund_is_mended(
    world: World, alice: User, operator: User, tea: Product, status: str
) -> None:
    payment = world.sell(alice, tea)
    refund = refunds.request_refund(payment, amount=Decimal("1.00"), by=operator)
    in_console(world, payment, "1.00", refund.out_request_no)
    Refund.objects.update(status=status)
    world.morning_after()

    run()

    refund.refresh_from_db()
    assert (refund.status, refund.billed_on) == ("DONE", DAY)
    assert Difference.objects.count() == 0
    assert world.sandbox.trade(payment.out_trade_no)["refund_fee"] == "1.00"


def test_a_refund_from_alipays_console_is_imported(world: World, alice: User, tea: Product) -> None:
    payment = world.sell(alice, tea)
    in_console(world, payment, "1.00", "console-1")
    world.morning_after()

    run()

    refund = Refund.objects.get()
    assert (refund.cause, refund.status, refund.amount) == ("CONSOLE", "DONE", Decimal("1.00"))
    assert Difference.objects.count() == 0
    assert journal.balance(Account.ALIPAY) == world.balance()


def test_a_refund_of_a_payment_whose_notice_was_lost_is_imported(
    world: World, alice: User, tea: Product
) -> None:
    payment = world.sell(alice, tea, told=False)
    world.go_to(DAY + timedelta(days=1), "09:00")
    in_console(world, payment, "1.00", "console-1")
    world.morning_after(DAY + timedelta(days=1))

    run(DAY + timedelta(days=1))

    assert (Payment.objects.get().status, Refund.objects.get().cause) == ("PAID", "CONSOLE")
    assert Difference.objects.count() == 0


def test_what_alipay_leaves_unclear_is_asked_again(world: World, alice: User, tea: Product) -> None:
    world.sell(alice, tea, told=False)
    world.morning_after()
    world.fault("reset", "alipay.trade.query")

    bill = run()
    assert [kind for kind, *_ in found()] == ["STATUS"]
    assert (bill.status, bill.due_at is not None) == ("READ", True)
    world.go_to(DAY + timedelta(days=1), "10:10")
    reconciliation.reconcile_what_is_due()

    bill.refresh_from_db()
    assert (found(), bill.due_at) == ([], None)
    assert Difference.objects.get().status == "MENDED"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset"},
        {"kind": "refuse", "code": "40005", "sub_code": "isv.app-call-limited"},
    ],
)
def test_a_refund_that_can_not_be_imported_now_is_imported_later(
    world: World, alice: User, tea: Product, fault: dict[str, str]
) -> None:
    payment = world.sell(alice, tea)
    in_console(world, payment, "1.00", "console-1")
    world.morning_after()
    world.fault(fault.pop("kind"), "alipay.trade.fastpay.refund.query", **fault)

    run()
    assert found() == [("ONLY_THERE", "REFUND", payment.out_trade_no, "console-1")]
    world.go_to(DAY + timedelta(days=1), "10:10")
    reconciliation.reconcile_what_is_due()

    assert (found(), Refund.objects.get().cause) == ([], "CONSOLE")


def test_an_alipay_that_can_not_be_reached_is_not_asked_for_every_row(
    world: World, alice: User
) -> None:
    tea = make_product(stock=100)
    for _ in range(6):
        world.sell(alice, tea, told=False)
    world.morning_after()
    world.fault("http_500", "alipay.trade.query", times=None)

    run()

    faults = world.sandbox.control("faults")["items"]
    assert faults[0]["used"] == reconciliation.PATIENCE
    assert len(found()) == 6
