"""`manage.py reconcile`, and its rehearsal."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from books.models import Bill, Difference
from books.tests import bill_maker
from books.tests.reconciling import is_billed, trade_no
from books.tests.time_travel import DAY, World
from conftest import make_order
from payments.journal import JournalEntry
from payments.models.payment import Payment
from products.models import Product
from users.models import User


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


def everything() -> list[Any]:
    return [list(model.objects.values()) for model in (Bill, Difference, Payment, JournalEntry)]
