"""Bills that are late, missing or malformed, and which days have one."""

import io
from datetime import date, timedelta

import pytest

from books import reconciliation
from books.models import Bill, Difference
from books.tests import bill_maker
from books.tests.reconciling import found, run
from books.tests.time_travel import DAY, World
from payments import alipay
from payments.journal import JournalEntry
from products.models import Product
from users.models import User


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
