"""Few queries, and no network in a transaction."""

import io
from datetime import datetime, time
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from books import bill_file, reconciliation
from books.models import Bill, Difference
from books.tests import bill_maker
from books.tests.reconciling import found, in_console, run
from books.tests.time_travel import DAY, World, travelling
from conftest import Sandbox, make_order, make_product
from payments import journal
from payments.journal import Account
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.test_network import calls  # noqa: F401
from products.models import Product
from users.models import User


def make_day(buyer: User, size: int) -> bytes:
    """Let there be so many payments, each third one refunded; return a bill that has them all."""
    order = make_order(buyer, make_product(f"tea {size}"))
    at = timezone.make_aware(datetime.combine(bill_maker.DAY, time(12)))
    fields = {"order": order, "amount": Decimal("9.90"), "time_expire": at, "paid_at": at}
    payments = Payment.objects.bulk_create(
        Payment(out_trade_no=f"N{size}_{n}", trade_no=f"{size}_{n}", status="PAID", **fields)
        for n in range(size)
    )
    back = {"amount": Decimal("1.00"), "status": "DONE", "cause": "OPERATOR", "done_at": at}
    Refund.objects.bulk_create(
        Refund(payment=payment, out_request_no=f"{payment}_R1", **back) for payment in payments[::3]
    )
    rows = [bill_maker.of(payment) for payment in payments]
    rows += [
        bill_maker.refunded(str(each), f"{each}_R1", "1.00", 支付宝交易号=each.trade_no)
        for each in payments[::3]
    ]
    return bill_maker.bill(rows)


def test_the_number_of_queries_does_not_depend_on_that_of_rows(alice: User) -> None:
    counts = []
    for size in (3, 300):
        raw = make_day(alice, size)
        with CaptureQueriesContext(connection) as queries:
            bill = run(bill_maker.DAY, file=io.BytesIO(raw))
        counts.append(len(queries))
        assert (bill.payments, Difference.objects.open().filter(kind="ONLY_THERE").count()) == (
            size,
            0,
        )

    assert counts[1] <= counts[0] + 8


@pytest.mark.django_db(transaction=True)
def test_no_network_call_is_made_inside_a_transaction(
    sandbox: Sandbox,
    calls: list[tuple[str, bool]],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    downloads: list[bool] = []
    really = bill_file.download

    def watched(url: str) -> Any:
        downloads.append(connection.in_atomic_block)
        return really(url)

    monkeypatch.setattr(bill_file, "download", watched)
    alice, tea = User.objects.create_user("alice"), make_product()
    with travelling(sandbox) as world:
        payment = world.sell(alice, tea, told=False)
        in_console(world, payment, "1.00", "console-1")
        world.morning_after()
        reconciliation.reconcile_what_is_due()

    assert Bill.objects.get().status == "READ"
    assert {"alipay.trade.query", "alipay.trade.fastpay.refund.query"} <= {
        name for name, _ in calls
    }
    assert [name for name, in_transaction in calls if in_transaction] == []
    assert downloads == [False]


def test_another_fee_than_in_the_journal_is_named(world: World, alice: User, tea: Product) -> None:
    payment = world.sell(alice, tea)
    at = {"完成时间": f"{DAY} 12:00:00"}
    rows = [
        bill_maker.of(payment, **at, **{"服务费（元）": fee}) for fee in ("-0.06", "-0.07", "0.00")
    ]
    world.morning_after()

    told = []
    for row in rows:
        run(file=io.BytesIO(bill_maker.bill([row], day=DAY)))
        told.append(
            [
                (each.kind, each.movement, each.our_amount, each.their_amount)
                for each in Difference.objects.open()
            ]
        )

    fee = ("AMOUNT", "FEE", Decimal("0.06"))
    assert told == [[], [(*fee, Decimal("0.07"))], [(*fee, Decimal("0.00"))]]
    assert journal.balance(Account.FEES) == Decimal("0.06")


def test_our_number_on_a_foreign_trade_is_named(world: World, alice: User, tea: Product) -> None:
    payment = world.sell(alice, tea)
    row = bill_maker.of(payment, 完成时间=f"{DAY} 12:00:00") | {"支付宝交易号": "2050030122000"}
    world.morning_after()

    run(file=io.BytesIO(bill_maker.bill([row], day=DAY)))

    number = ("PAYMENT", payment.out_trade_no, "")
    assert found() == [("ONLY_HERE", *number), ("ONLY_THERE", *number)]
    assert journal.balance(Account.FEES) == 0


def test_what_was_resolved_is_open_again_when_it_says_something_else(
    world: World, alice: User, operator: User, tea: Product
) -> None:
    payment = world.sell(alice, tea)
    world.morning_after()

    def run_with(amount: str) -> Difference:
        at = {"完成时间": f"{DAY} 12:00:00", "服务费（元）": "-0.05"}
        row = bill_maker.of(payment, amount, **at)
        run(file=io.BytesIO(bill_maker.bill([row], day=DAY)))
        return Difference.objects.get()

    run_with("9.80").resolve(reason="a discount", by=operator)
    same, other = run_with("9.80"), run_with("9999.80")

    assert (same.status, same.resolution) == ("RESOLVED", "a discount")
    assert (other.status, other.resolution, other.their_amount) == ("OPEN", "", Decimal("9999.80"))
