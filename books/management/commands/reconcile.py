"""Compare days with Alipay's bills, by hand: what the worker does at ten each morning."""

from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from books import bill_file, reconciliation
from books.exceptions import BillBeingRead, BillMalformed
from books.models import Bill, Difference
from payments.alipay import BEIJING, bill_url
from payments.exceptions import AlipayTrouble

WIDTH = 40


class Command(BaseCommand):
    help = (
        "Fetch Alipay's bill of a day and compare it with the shop's own books, row by row. "
        "Ends with 1 when a bill could not be read, or a difference is open."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--date", help="a day in Beijing, as 2026-11-21; else every day due")
        parser.add_argument("--file", type=Path, help="that day's bill, downloaded by hand")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="fetch and compare without asking Alipay about single rows; write nothing",
        )

    def handle(
        self, *args: Any, date: str | None, file: Path | None, dry_run: bool, **options: Any
    ) -> None:
        if file and not date:
            raise CommandError("--file needs --date: the day that the bill is of.")
        with transaction.atomic():
            days = [read_day(date)] if date else days_due()
            transaction.set_rollback(dry_run)
        if not days:
            self.stdout.write("No bill is due.")
        try:
            content = file.open("rb") if file else None
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        compare = self.rehearse if dry_run else self.reconcile
        try:
            bad = [day for day in days if not compare(day, content)]
        except BillBeingRead:
            raise CommandError("The worker is reading this bill just now.") from None
        if bad:
            raise CommandError(f"Not in order: {', '.join(map(str, bad))}")

    def reconcile(self, day: date, file: IO[bytes] | None) -> bool:
        """Compare a day; return whether it is in order."""
        file = file or early_bill(day)
        bill = bill_of(day)
        reconciliation.reconcile(bill, file=file, progress=self.bar(day))
        return self.report(bill)

    def rehearse(self, day: date, file: IO[bytes] | None) -> bool:
        """Say what a comparison would find, and take all of it back."""
        try:
            file = file or bill_file.download(bill_url(day))
        except (AlipayTrouble, BillMalformed) as trouble:
            self.stdout.write(f"{day}: no bill: {trouble}")
            return False
        with closing(file), transaction.atomic():
            bill = bill_of(day)
            if not bill.begin():
                raise BillBeingRead
            reconciliation.compare(bill, file, asks=False, progress=self.bar(day))
            is_good = self.report(bill)
            transaction.set_rollback(True)
        return is_good

    def report(self, bill: Bill) -> bool:
        """Say what came of a day; return whether nothing is left to do."""
        told = {
            Bill.Status.READ: f"read. {in_words(bill)}",
            Bill.Status.EMPTY: "nothing happened.",
            Bill.Status.WAITING: f"no bill yet: {bill.reason}",
            Bill.Status.MALFORMED: f"unreadable: {bill.reason}",
        }
        self.stdout.write(f"{bill}: {told[Bill.Status(bill.status)]}")
        if bill.is_done and bill.reason:
            self.stdout.write(f"  to be asked again: {bill.reason}")
        differences = bill.differences.open()
        for difference in differences.iterator():
            self.stdout.write(f"  {line(difference)}")
        count = differences.count()
        self.stdout.write(f"  differences: {count}")
        return count == 0 and bill.is_done

    def bar(self, day: date) -> reconciliation.Progress:
        """Return what draws how far it is, on a terminal; elsewhere nothing moves."""
        if not self.stderr.isatty():
            return reconciliation.nobody

        def draw(done: int, total: int) -> None:
            filled = WIDTH * done // total if total else WIDTH
            end = "\n" if done >= total else ""
            bar = f"\r{day} [{'#' * filled}{'.' * (WIDTH - filled)}] {done}/{total}"
            self.stderr.write(bar, style_func=str, ending=end)
            self.stderr.flush()

        return draw


def read_day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text!r} is not a day; write it as 2026-11-21.") from None
    return day


def early_bill(day: date) -> IO[bytes] | None:
    """Return the bill of a day that has none by our books and our clock, if Alipay has one.

    The sandbox's clock may be ahead of ours.
    """
    first = reconciliation.first_day()
    yesterday = timezone.localdate(timezone=BEIJING) - timedelta(days=1)
    if first and first <= day <= yesterday:
        return None
    try:
        return bill_file.download(bill_url(day))
    except (AlipayTrouble, BillMalformed) as trouble:
        why = "is not over in Beijing" if day > yesterday else "is before the shop's first payment"
        raise CommandError(
            f"{day} {why}; the last day that can be compared is {yesterday}. Alipay says: {trouble}"
        ) from trouble


def bill_of(day: date) -> Bill:
    bill, _ = Bill.objects.get_or_create(day=day, defaults={"due_at": timezone.now()})
    return bill


def days_due() -> list[date]:
    reconciliation.expect_bills()
    waiting = Bill.objects.filter(due_at__isnull=False).order_by("day")
    return list(waiting.values_list("day", flat=True))


def in_words(totals: Bill) -> str:
    return (
        f"{totals.payments} payments, {totals.paid} yuan; "
        f"{totals.refunds} refunds, {totals.refunded} yuan; fees {totals.fees} yuan."
    )


def line(difference: Difference) -> str:
    """Name a difference to the row."""
    number = f"{difference.out_trade_no} {difference.out_request_no}".strip()
    here = f"{difference.our_amount or '-'} {difference.our_status}".strip()
    there = f"{difference.their_amount or '-'} {difference.their_status}".strip()
    return (
        f"{difference.kind} {difference.movement} {number}: here {here}, at Alipay {there}"
        f"{f' (trade_no {difference.trade_no})' if difference.trade_no else ''}"
    )
