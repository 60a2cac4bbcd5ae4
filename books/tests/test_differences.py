"""Four classes of difference, to the row."""

import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from books.exceptions import DifferenceNotOpen
from books.models import Difference
from books.tests import bill_maker
from books.tests.reconciling import found, give_back, in_console, run
from books.tests.time_travel import DAY, World
from payments.journal import JournalEntry
from payments.models.payment import Payment
from payments.models.refund import Refund
from products.models import Product
from users.models import User


def test_what_is_only_here_is_named(
    world: World, alice: User, operator: User, tea: Product
) -> None:
    payment = world.sell(alice, tea)
    done = give_back(payment, "1.00", operator)
    invented = Payment.objects.get()
    invented.pk, invented.out_trade_no, invented.trade_no = None, "INVENTED", "1"
    invented.save(force_insert=True)
    done.pk, done.out_request_no = None, "INVENTED_R1"
    done.save(force_insert=True)
    world.morning_after()

    run()

    assert found() == [
        ("ONLY_HERE", "PAYMENT", "INVENTED", ""),
        ("ONLY_HERE", "REFUND", payment.out_trade_no, "INVENTED_R1"),
    ]


def test_what_is_only_there_is_named(world: World, alice: User, tea: Product) -> None:
    payment = world.sell(alice, tea)
    foreign = Payment(out_trade_no="FOREIGN", amount=Decimal("3.00"), time_expire=timezone.now())
    foreign.time_expire += timedelta(hours=1)
    world.bring_to_the_cashier(foreign)
    world.sandbox.control("trades/FOREIGN/pay", {})
    in_console(world, foreign, "1.00", "FOREIGN_R")
    world.morning_after()

    run()

    assert found() == [
        ("ONLY_THERE", "PAYMENT", "FOREIGN", ""),
        ("ONLY_THERE", "REFUND", "FOREIGN", "FOREIGN_R"),
    ]
    one = Difference.objects.get(movement="PAYMENT")
    assert (one.our_amount, one.their_amount, one.their_status) == (None, Decimal("3.00"), "交易")
    assert Payment.objects.get().billed_on == payment.paid_at.date()  # type: ignore[union-attr]


def test_another_amount_is_named(world: World, alice: User, operator: User, tea: Product) -> None:
    first, second = world.sell(alice, tea), world.sell(alice, tea)
    refund = give_back(second, "1.00", operator)
    Payment.objects.filter(pk=first.pk).update(amount="9.91")
    Refund.objects.update(amount="1.01")
    world.morning_after()

    run()

    assert found() == [
        ("AMOUNT", "PAYMENT", first.out_trade_no, ""),
        ("AMOUNT", "REFUND", second.out_trade_no, refund.out_request_no),
    ]
    one = Difference.objects.get(movement="PAYMENT")
    assert (one.our_amount, one.their_amount) == (Decimal("9.91"), Decimal("9.90"))


def test_what_a_discount_of_the_merchant_took_is_named(
    world: World, alice: User, tea: Product
) -> None:
    """The buyer's order is whole; what came to the account, and what the journal has, is not."""
    payment = world.sell(alice, tea)
    row = bill_maker.of(payment, 完成时间=f"{DAY} 12:00:00")
    row |= {"商家实收（元）": "9.00", "商家优惠（元）": "0.90"}
    world.morning_after()

    run(file=io.BytesIO(bill_maker.bill([row], day=DAY)))

    one = Difference.objects.get()
    assert (one.kind, one.our_amount, one.their_amount) == (
        "AMOUNT",
        Decimal("9.90"),
        Decimal("9.00"),
    )


def test_what_a_bill_no_longer_has_is_missed(world: World, alice: User, tea: Product) -> None:
    payment = world.sell(alice, tea)
    world.morning_after()
    run()
    assert found() == []

    run(file=io.BytesIO(bill_maker.bill([], day=DAY)))

    assert found() == [("ONLY_HERE", "PAYMENT", payment.out_trade_no, "")]
    assert Payment.objects.get().billed_on is None


def test_another_status_is_named(world: World, alice: User, operator: User, tea: Product) -> None:
    payment = world.sell(alice, tea)
    refund = give_back(payment, "1.00", operator)
    Refund.objects.update(status="FAILED", done_at=None)
    world.morning_after()

    run()

    assert found() == [("STATUS", "REFUND", payment.out_trade_no, refund.out_request_no)]
    one = Difference.objects.get()
    assert (one.our_status, one.their_status, one.refund) == ("FAILED", "退款", refund)


def test_a_payment_that_alipay_closed_after_refunding_it_is_named(
    world: World, alice: User, tea: Product
) -> None:
    """All of it went back in the console before the shop heard of it: no question settles it."""
    payment = world.sell(alice, tea, told=False)
    in_console(world, payment, "9.90", "console-1")
    world.morning_after()

    run()

    assert found() == [
        ("ONLY_THERE", "REFUND", payment.out_trade_no, "console-1"),
        ("STATUS", "PAYMENT", payment.out_trade_no, ""),
    ]
    assert JournalEntry.objects.count() == 0  # no fee of a sale that is not in the journal


def test_a_difference_that_vanished_is_mended(world: World, alice: User, tea: Product) -> None:
    payment = world.sell(alice, tea)
    Payment.objects.update(amount="9.91")
    world.morning_after()
    run()
    Payment.objects.update(amount="9.90")

    run()

    difference = Difference.objects.get()
    assert (difference.status, difference.payment) == ("MENDED", payment)
    assert difference.resolved_at is not None
    Payment.objects.update(amount="9.91")
    run()
    difference.refresh_from_db()
    assert (str(difference.status), difference.is_open, difference.resolved_by) == (
        "OPEN",
        True,
        None,
    )


def test_a_difference_that_was_resolved_stays_so(
    world: World, alice: User, operator: User, tea: Product
) -> None:
    world.sell(alice, tea)
    Payment.objects.update(amount="9.91")
    world.morning_after()
    run()
    Difference.objects.get().resolve(reason="known", by=operator)

    run()

    difference = Difference.objects.get()
    assert (difference.status, difference.resolved_by) == ("RESOLVED", operator)
    assert (difference.resolution, found()) == ("known", [])
    with pytest.raises(DifferenceNotOpen):
        difference.resolve(reason="twice", by=operator)
