"""Compare days with Alipay's bills, by hand: what the worker does at ten each morning."""

from datetime import date, timedelta
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from payments import bills, reconciliation
from payments.alipay import BEIJING, bill_url
from payments.books import Bill, Difference
from payments.exceptions import AlipayTrouble, BillBeingRead, BillMalformed

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
            help="say which days are due; fetch and check the bill of a given day; write nothing",
        )

    def handle(
        self, *args: Any, date: str | None, file: Path | None, dry_run: bool, **options: Any
    ) -> None:
        if file and not date:
            raise CommandError("--file needs --date: the day that the bill is of.")
        days = [read_day(date)] if date else days_due()
        if not days:
            self.stdout.write("No bill is due.")
        try:
            content = file.open("rb") if file else None
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        if dry_run:
            self.look(days, content, is_given=bool(date))
            return
        bad = [bill for day in days if self.is_bad(bill := self.reconcile(day, content))]
        if bad:
            raise CommandError(f"Not in order: {', '.join(map(str, bad))}")

    def look(self, days: list[date], file: IO[bytes] | None, *, is_given: bool) -> None:
        """Say what there would be to do."""
        for day in days:
            if not is_given:
                self.stdout.write(f"{day}: due")
                continue
            try:
                with file or bills.download(bill_url(day)) as found:
                    totals = bills.BillFile(found, day=day).checked()
            except (AlipayTrouble, BillMalformed) as trouble:
                raise CommandError(f"{day}: {trouble}") from trouble
            self.stdout.write(f"{day}: can be read. {in_words(totals)}")

    def reconcile(self, day: date, file: IO[bytes] | None) -> Bill:
        bill, _ = Bill.objects.get_or_create(day=day, defaults={"due_at": timezone.now()})
        try:
            reconciliation.reconcile(bill, file=file, progress=self.bar(day))
        except BillBeingRead:
            raise CommandError(f"{day}: the worker is reading this bill just now.") from None
        return bill

    def is_bad(self, bill: Bill) -> bool:
        """Report what came of a day; return whether anything is left to do."""
        told = {
            Bill.Status.READ: f"read. {in_words(bill)}",
            Bill.Status.EMPTY: "nothing happened.",
            Bill.Status.WAITING: f"no bill yet: {bill.reason}",
            Bill.Status.MALFORMED: f"unreadable, kept as it is: {bill.reason}",
        }
        self.stdout.write(f"{bill}: {told[Bill.Status(bill.status)]}")
        if bill.is_done and bill.reason:
            self.stdout.write(f"  to be asked again: {bill.reason}")
        differences = bill.differences.open()
        for difference in differences.iterator():
            self.stdout.write(f"  {line(difference)}")
        count = differences.count()
        self.stdout.write(f"  differences: {count}")
        return count > 0 or not bill.is_done

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
    today = timezone.localdate(timezone=BEIJING)
    if day >= today:
        raise CommandError(
            f"{day} is not over in Beijing; the last day that can be compared is "
            f"{today - timedelta(days=1)}."
        )
    return day


def days_due() -> list[date]:
    reconciliation.expect_bills()
    waiting = Bill.objects.filter(due_at__isnull=False).order_by("day")
    return list(waiting.values_list("day", flat=True))


def in_words(totals: bills.Totals | Bill) -> str:
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
