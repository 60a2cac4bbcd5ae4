"""A day that adds up, and one that does not, to the row."""

import io
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from books import bill_file, reconciliation
from books.exceptions import BillBeingRead, DifferenceNotOpen
from books.models import Bill, Difference
from books.tests import bill_maker
from books.tests.time_travel import DAY, World, travelling
from conftest import Sandbox, make_order, make_product
from payments import alipay, journal, refunds
from payments.alipay import BEIJING
from payments.journal import Account, JournalEntry
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.test_network import calls  # noqa: F401
from products.models import Product
from users.models import User


@pytest.fixture
def world(db: None, sandbox: Sandbox) -> Any:
    with travelling(sandbox) as world:
        yield world


def run(day: date = DAY, **options: Any) -> Bill:
    """Reconcile a day by hand."""
    bill, _ = Bill.objects.get_or_create(day=day)
    reconciliation.reconcile(bill, **options)
    return Bill.objects.get(day=day)


def give_back(payment: Payment, amount: str, by: User) -> Refund:
    refund = refunds.request_refund(payment, amount=Decimal(amount), by=by, reason="broken")
    refunds.send(refund)
    refund.refresh_from_db()
    return refund


def in_console(world: World, payment: Payment, amount: str, number: str) -> None:
    """Refund in Alipay's own console: the shop does not know of it."""
    alipay.refund(
        out_trade_no=payment.out_trade_no,
        refund_amount=Decimal(amount),
        out_request_no=number,
        refund_reason="console",
    )


def found() -> list[tuple[str, str, str, str]]:
    """Return what is open, in words."""
    return [
        (each.kind, each.movement, each.out_trade_no, each.out_request_no)
        for each in Difference.objects.open().order_by("kind", "id")
    ]


# -- a day that adds up ----------------------------------------------------------------------------


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


# -- what mends itself -----------------------------------------------------------------------------


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


# -- four classes of difference --------------------------------------------------------------------


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


# -- bills that are late, missing or malformed -----------------------------------------------------


def test_a_late_bill_is_asked_for_again(world: World, alice: User, tea: Product) -> None:
    world.sell(alice, tea)
    world.sandbox.control("settings", {"bill_ready_at": "11:00"}, method="PATCH")
    world.morning_after()

    reconciliation.reconcile_what_is_due()
    bill = Bill.objects.get()
    assert (bill.status, bill.reason) == ("WAITING", "BILL_NOT_EXIST")
    assert reconciliation.reconcile_what_is_due() == 0  # not at once
    world.morning_after(clock="11:00")
    assert reconciliation.reconcile_what_is_due() == 1

    bill.refresh_from_db()
    assert (bill.status, bill.reason, bill.due_at) == ("READ", "", None)


def test_a_day_without_anything_is_believed_at_noon(world: World) -> None:
    world.morning_after()
    assert run().status == "WAITING"
    world.morning_after(clock="12:00")

    bill = run()

    assert (bill.status, bill.due_at) == ("EMPTY", None)


def test_a_bill_that_never_comes_is_no_empty_day(world: World, alice: User, tea: Product) -> None:
    payment = world.sell(alice, tea)
    world.sandbox.control("settings", {"bills": False}, method="PATCH")
    world.morning_after(clock="12:00")
    assert run().status == "WAITING"
    assert found() == []
    world.go_to(DAY + timedelta(days=3), "12:00")

    assert run().status == "EMPTY"

    assert found() == [("ONLY_HERE", "PAYMENT", payment.out_trade_no, "")]


def test_a_bill_that_was_read_and_is_gone_stays_read(
    world: World, alice: User, tea: Product
) -> None:
    world.sell(alice, tea)
    world.morning_after()
    run()
    world.sandbox.control("settings", {"bills": False}, method="PATCH")
    world.go_to(DAY + timedelta(days=900))

    bill = run()

    assert (bill.status, bill.payments, bill.due_at) == ("READ", 1, None)


def test_a_bill_that_was_read_and_can_not_be_had_now_stays_read(
    world: World, alice: User, tea: Product
) -> None:
    world.sell(alice, tea)
    world.morning_after()
    run()
    world.fault("http_500")

    bill = run()

    assert (bill.status, bill.payments, bill.due_at is not None) == ("READ", 1, True)


@pytest.mark.parametrize(
    "kind", ["timeout", "http_500", "html", "reset", "unsigned", "wrong_signature", "system_error"]
)
def test_an_unclear_answer_is_asked_again(
    world: World, alice: User, tea: Product, kind: str
) -> None:
    world.sell(alice, tea)
    world.morning_after()
    world.fault(kind)

    reconciliation.reconcile_what_is_due()
    assert Bill.objects.get().status == "WAITING"
    world.morning_after(clock="10:05")
    reconciliation.reconcile_what_is_due()

    assert Bill.objects.get().status == "READ"


def test_an_expired_link_is_asked_for_again(
    world: World, alice: User, tea: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sell(alice, tea)
    world.morning_after()
    really = alipay.bill_url

    def slowly(day: date) -> str:
        url = really(day)
        world.go_to(DAY + timedelta(days=1), "10:01")
        return url

    with monkeypatch.context() as patch:
        patch.setattr(alipay, "bill_url", slowly)
        bill = run()
    assert (bill.status, bill.reason) == ("MALFORMED", "expired link")
    assert bill.raw
    assert "下载超时" in bytes(bill.raw).decode()
    world.morning_after(clock="10:20")

    reconciliation.reconcile_what_is_due()

    assert Bill.objects.values_list("status", "reason", "raw").get() == ("READ", "", None)


def test_a_malformed_bill_is_kept_and_not_half_read(
    world: World, alice: User, tea: Product
) -> None:
    payment = world.sell(alice, tea)
    first = bill_maker.of(payment, 完成时间=f"{DAY} 12:00:00")
    second = first | {"商户订单号": "G2", "订单金额（元）": "oops"}
    text = bill_maker.table([first], day=DAY).split("\r\n")
    text.insert(6, ",".join(second.values()))
    raw = bill_maker.packed("\r\n".join(text))
    world.morning_after()

    bill = run(file=io.BytesIO(raw))

    assert (bill.status, bill.reason) == ("MALFORMED", "not an amount: line 7: oops")
    assert bytes(bill.raw or b"") == raw
    payment.refresh_from_db()
    assert payment.billed_on is None
    assert (Difference.objects.count(), JournalEntry.objects.count()) == (0, 1)
    assert bill.due_at is not None


# -- which days ------------------------------------------------------------------------------------


def test_yesterday_is_due_at_ten_and_not_before(world: World, alice: User, tea: Product) -> None:
    world.sell(alice, tea)
    world.morning_after(clock="09:59")
    assert reconciliation.reconcile_what_is_due() == 0
    world.morning_after(clock="10:00")

    assert reconciliation.reconcile_what_is_due() == 1

    assert Bill.objects.get().day == DAY


def test_a_shop_that_was_off_for_a_week_catches_up(world: World, alice: User, tea: Product) -> None:
    world.sell(alice, tea)
    world.go_to(DAY + timedelta(days=3))
    world.sell(alice, tea)
    Bill.objects.create(day=DAY + timedelta(days=2), status="EMPTY")
    world.morning_after(DAY + timedelta(days=6), clock="12:00")

    reconciliation.reconcile_what_is_due()

    bills_ = Bill.objects.order_by("day").values_list("day", "status")
    assert list(bills_) == [
        (DAY + timedelta(days=number), "READ" if number in (0, 3) else "EMPTY")
        for number in range(7)
    ]
    assert reconciliation.reconcile_what_is_due() == 0


def test_a_shop_without_payments_expects_no_bill(world: World) -> None:
    assert reconciliation.reconcile_what_is_due() == 0
    assert Bill.objects.count() == 0


def test_the_worker_does_it(world: World, alice: User, tea: Product) -> None:
    from books import tasks  # noqa: PLC0415  it starts Huey

    world.sell(alice, tea)
    world.morning_after()

    tasks.bills_that_are_due.call_local()

    assert Bill.objects.get().status == "READ"


# -- few queries, and no network in a transaction --------------------------------------------------


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


# -- by hand ---------------------------------------------------------------------------------------


def command(*arguments: str) -> tuple[str, str]:
    """Return what the command says, and with what words it fails."""
    out = io.StringIO()
    try:
        call_command("reconcile", *arguments, stdout=out, stderr=io.StringIO())
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def test_the_command_reports_a_clean_day(world: World, alice: User, tea: Product) -> None:
    world.sell(alice, tea)
    world.morning_after()

    out, failure = command("--date", str(DAY))

    assert failure == ""
    assert out.splitlines() == [
        "2050-03-01: read. 1 payments, 9.90 yuan; 0 refunds, 0.00 yuan; fees 0.06 yuan.",
        "  differences: 0",
    ]


def test_the_command_names_a_difference_to_the_row(world: World, alice: User, tea: Product) -> None:
    payment = world.sell(alice, tea)
    Payment.objects.update(amount="9.91")
    world.morning_after()

    out, failure = command()

    assert failure == f"Not in order: {DAY}"
    assert (
        f"  AMOUNT PAYMENT {payment.out_trade_no}: here 9.91 PAID, at Alipay 9.90 交易 "
        f"(trade_no {payment.trade_no})" in out.splitlines()
    )


def test_the_command_fails_without_a_bill(world: World, alice: User, tea: Product) -> None:
    Payment.objects.attempt(make_order(alice, tea))
    world.morning_after()

    out, failure = command("--date", str(DAY))

    assert (out.splitlines()[0], failure) == (
        "2050-03-01: no bill yet: BILL_NOT_EXIST",
        "Not in order: 2050-03-01",
    )


def test_the_command_leaves_no_trace_of_a_day_before_the_shop(
    world: World, alice: User, tea: Product
) -> None:
    world.sell(alice, tea)
    world.morning_after()

    _, failure = command("--date", "2015-01-01")

    assert failure.startswith("2015-01-01 is before the shop's first payment")
    assert Bill.objects.count() == 0


def test_the_command_has_nothing_to_do(db: None) -> None:
    assert command() == ("No bill is due.\n", "")


@pytest.mark.parametrize(
    "day", ["2050-03-02", "2050-03-03", "2050-13-01", "yesterday", "20500301 "]
)
def test_the_command_refuses_a_day_that_is_none_or_not_over(world: World, day: str) -> None:
    world.morning_after()

    _, failure = command("--date", day)

    assert failure
    assert Bill.objects.count() == 0


def test_the_command_reads_a_file(world: World, tmp_path: Any) -> None:
    world.morning_after()
    file = tmp_path / "bill.zip"
    file.write_bytes(bill_maker.bill([], day=DAY))

    out, failure = command("--date", str(DAY), "--file", str(file))

    assert (failure, out.splitlines()[0]) == (
        "",
        "2050-03-01: read. 0 payments, 0.00 yuan; 0 refunds, 0.00 yuan; fees 0.00 yuan.",
    )


def test_the_command_needs_the_file_and_its_day(world: World, tmp_path: Any) -> None:
    world.morning_after()
    missing = str(tmp_path / "missing.zip")

    assert "--date" in command("--file", missing)[1]
    assert "missing.zip" in command("--date", str(DAY), "--file", missing)[1]


@pytest.mark.parametrize("days", [["--date", str(DAY)], []])
def test_a_rehearsal_finds_the_same_and_writes_nothing(
    world: World, alice: User, tea: Product, days: list[str]
) -> None:
    paid, forgotten = world.sell(alice, tea), world.sell(alice, tea, told=False)
    world.morning_after()
    before = everything()
    out, failure = command(*days, "--dry-run")

    number = f"{forgotten.out_trade_no}: here 9.90 PENDING, at Alipay 9.90 交易"
    assert out.splitlines() == [
        "2050-03-01: read. 2 payments, 19.80 yuan; 0 refunds, 0.00 yuan; fees 0.12 yuan.",
        f"  STATUS PAYMENT {number} (trade_no {trade_no(world, forgotten)})",
        "  differences: 1",
    ]
    assert failure == "Not in order: 2050-03-01"
    assert everything() == before

    out, failure = command("--date", str(DAY))
    assert (out.splitlines()[1:], failure) == (["  differences: 0"], "")
    assert is_billed(paid)
    assert is_billed(forgotten)


def everything() -> list[Any]:
    return [list(model.objects.values()) for model in (Bill, Difference, Payment, JournalEntry)]


def trade_no(world: World, payment: Payment) -> str:
    return str(world.sandbox.trade(payment.out_trade_no)["trade_no"])


def is_billed(payment: Payment) -> bool:
    payment.refresh_from_db()
    return payment.billed_on == DAY


def test_a_rehearsal_without_a_bill(world: World, tmp_path: Any) -> None:
    world.morning_after()
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"<html>")

    there_is_none = command("--date", str(DAY), "--dry-run")
    not_over = command("--date", str(DAY + timedelta(days=1)), "--dry-run")
    unreadable = command("--date", str(DAY), "--file", str(bad), "--dry-run")

    assert there_is_none[0] == "2050-03-01: no bill: isp.BILL_NOT_EXIST 账单不存在\n"
    assert not_over[1] == "Not in order: 2050-03-02"
    assert unreadable[0].startswith("2050-03-01: unreadable: a web page, not a zip\n")
    assert Bill.objects.count() == 0


def test_the_command_keeps_what_it_can_not_read(world: World, tmp_path: Any) -> None:
    world.morning_after()
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"<html>")

    out, failure = command("--date", str(DAY), "--file", str(bad))

    assert out.startswith("2050-03-01: unreadable: a web page, not a zip\n")
    assert failure == "Not in order: 2050-03-01"
    assert bytes(Bill.objects.values_list("raw", flat=True).get()) == b"<html>"


def test_a_day_that_is_over_for_the_sandbox_only(world: World, alice: User, tea: Product) -> None:
    paid = world.sell(alice, tea)
    world.sandbox.control("clock", {"advance": 24 * 3600})

    out, failure = command("--date", str(DAY))

    assert ("read. 1 payments, 9.90 yuan" in out, failure) == (True, "")
    assert is_billed(paid)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_command_draws_how_far_it_is_on_a_terminal_only(
    world: World, alice: User, tea: Product, is_terminal: bool
) -> None:
    world.sell(alice, tea)
    world.morning_after()
    terminal = io.StringIO()
    terminal.isatty = lambda: is_terminal  # type: ignore[method-assign]

    call_command("reconcile", "--date", str(DAY), stdout=io.StringIO(), stderr=terminal)

    drawn = [f"2050-03-01 [{'.' * 40}] 0/1", f"2050-03-01 [{'#' * 40}] 1/1\n"]
    assert terminal.getvalue().split("\r")[1:] == (drawn if is_terminal else [])
