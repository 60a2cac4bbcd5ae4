"""A day that adds up, and what of it stands in the next."""

import io
from datetime import timedelta
from decimal import Decimal

import pytest

from books import reconciliation
from books.exceptions import BillBeingRead
from books.models import Bill, Difference
from books.tests import bill_maker
from books.tests.reconciling import found, give_back, in_console, run
from books.tests.time_travel import DAY, World
from payments import journal, refunds
from payments.alipay import BEIJING
from payments.journal import Account, JournalEntry
from payments.models.payment import Payment
from payments.models.refund import Refund
from products.models import Product
from users.models import User


def test_a_clean_day_has_no_differences(
    world: World, alice: User, operator: User, tea: Product
) -> None:
    first = world.sell(alice, tea, quantity=2)
    world.sell(alice, tea)
    give_back(first, "5.00", operator)
    world.morning_after()

    bill = run()

    assert (bill.status, bill.payments, bill.refunds) == ("READ", 2, 1)
    assert (bill.paid, bill.refunded, bill.fees) == (
        Decimal("29.70"),
        Decimal("5.00"),
        Decimal("0.15"),
    )
    assert found() == []
    assert set(Payment.objects.values_list("billed_on", flat=True)) == {DAY}
    assert Refund.objects.get().billed_on == DAY


def test_the_journal_agrees_with_alipay_to_the_fen(
    world: World, alice: User, operator: User, tea: Product
) -> None:
    first = world.sell(alice, tea, quantity=2)
    give_back(first, "5.00", operator)
    world.morning_after()
    assert journal.balance(Account.ALIPAY) != world.balance()

    run()

    fees = JournalEntry.objects.filter(what__in=["FEE", "FEE_BACK"]).order_by("id")
    assert [(fee.what, fee.amount, fee.at.astimezone(BEIJING).date()) for fee in fees] == [
        ("FEE", Decimal("0.12"), DAY),
        ("FEE_BACK", Decimal("0.03"), DAY),
    ]
    assert journal.balance(Account.ALIPAY) == world.balance()


def test_a_day_can_be_run_again(world: World, alice: User, operator: User, tea: Product) -> None:
    payment = world.sell(alice, tea, quantity=2)
    give_back(payment, "5.00", operator)
    in_console(world, payment, "1.00", "console-1")
    world.morning_after()
    run()
    before = list(JournalEntry.objects.order_by("id").values())
    refunds_before = list(Refund.objects.order_by("id").values_list("id", "status", "amount"))

    bill = run()

    assert (bill.status, bill.payments, bill.refunds) == ("READ", 1, 2)
    assert list(JournalEntry.objects.order_by("id").values()) == before
    assert (
        list(Refund.objects.order_by("id").values_list("id", "status", "amount")) == refunds_before
    )
    assert Difference.objects.count() == 0
    assert journal.balance(Account.ALIPAY) == world.balance()


def test_two_runs_at_once_are_one(world: World) -> None:
    bill = Bill.objects.create(day=DAY)
    assert bill.begin()

    with pytest.raises(BillBeingRead):
        reconciliation.reconcile(Bill.objects.get())

    world.traveller.shift(timedelta(minutes=6))
    assert bill.begin()  # whoever it was died


# -- midnight --------------------------------------------------------------------------------------


def test_a_refund_belongs_to_the_day_that_alipay_says(
    world: World, alice: User, operator: User, tea: Product
) -> None:
    """Alipay moved the money before midnight; its answer came the next day."""
    payment = world.sell(alice, tea)
    world.go_to(DAY, "23:59")
    refund = refunds.request_refund(payment, amount=Decimal("1.00"), by=operator)
    world.fault("reset", "alipay.trade.refund", when="after")
    refunds.send(refund)
    world.go_to(DAY + timedelta(days=1), "00:01")
    refunds.send(refund)
    world.sell(alice, tea)
    world.morning_after()

    run()
    world.morning_after(DAY + timedelta(days=1))
    run(DAY + timedelta(days=1))

    refund.refresh_from_db()
    assert refund.done_at
    assert refund.done_at.astimezone(BEIJING).date() == DAY + timedelta(days=1)
    assert refund.billed_on == DAY
    assert Difference.objects.count() == 0


@pytest.mark.parametrize("ours", ["23:59:30", "00:00:30"])
def test_two_clocks_may_differ_at_midnight(
    world: World, alice: User, tea: Product, ours: str
) -> None:
    payment = world.sell(alice, tea)
    world.go_to(DAY + timedelta(days=1), "09:00")
    world.sell(alice, tea)
    theirs = DAY if ours == "00:00:30" else DAY + timedelta(days=1)
    clock = "23:59:59" if theirs == DAY else "00:00:01"
    row = bill_maker.of(payment, 完成时间=f"{theirs} {clock}") | {"商户订单号": "A1"}
    Payment.objects.filter(pk=payment.pk).update(
        out_trade_no="A1",
        paid_at=f"{DAY + timedelta(days=ours == '00:00:30')}T{ours}+08:00",
    )
    other = Payment.objects.latest("id")
    tomorrow = DAY + timedelta(days=1)
    others = bill_maker.of(other, 完成时间=f"{tomorrow} 09:00:00")
    days = {DAY: [row], tomorrow: [others]} if theirs == DAY else {DAY: [], tomorrow: [row, others]}
    world.morning_after(tomorrow)

    for day, rows in days.items():
        run(day, file=io.BytesIO(bill_maker.bill(rows, day=day)))
        assert found() == []

    assert Payment.objects.get(out_trade_no="A1").billed_on == theirs


def test_what_is_missed_in_the_last_minutes_of_a_day_is_named_a_day_later(
    world: World, alice: User, tea: Product
) -> None:
    world.sell(alice, tea)
    Payment.objects.update(paid_at=f"{DAY}T23:58:00+08:00")
    world.morning_after(DAY + timedelta(days=1))

    run(file=io.BytesIO(bill_maker.bill(day=DAY)))
    assert found() == []
    run(DAY + timedelta(days=1), file=io.BytesIO(bill_maker.bill(day=DAY + timedelta(days=1))))

    assert [kind for kind, *_ in found()] == ["ONLY_HERE"]


def test_what_a_later_bill_has_is_no_longer_missed(world: World, alice: User, tea: Product) -> None:
    payment = world.sell(alice, tea)
    tomorrow = DAY + timedelta(days=1)
    world.morning_after(tomorrow)
    run(file=io.BytesIO(bill_maker.bill(day=DAY)))
    assert [kind for kind, *_ in found()] == ["ONLY_HERE"]

    row = bill_maker.of(payment, 完成时间=f"{tomorrow} 00:00:01")
    run(tomorrow, file=io.BytesIO(bill_maker.bill([row], day=tomorrow)))

    assert (found(), Difference.objects.get().status) == ([], "MENDED")
