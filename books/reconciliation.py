"""Whether Alipay's bill of a day and the shop's own books agree, to the row.

    1. fetch    the bill of the day, the next morning; one that is not there yet is asked for again
    2. check    all of it, before any of it is believed
    3. match    each row with the payment or refund of that number, whatever day that has here
    4. recover  by asking Alipay: a lost notice is settled, an open refund is clarified, one that
                was made in Alipay's console is written down here
    5. book     the fee of each row, once
    6. name     what still differs: only there, another amount, another status; and, at the end,
                what should stand in this bill and does not: only here

A day can be run again at any time: nothing is booked twice, what differs is found again as the same
difference, what no longer does has been mended, and what somebody resolved stays resolved.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import IO, Any

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from books import bill_file
from books.bill_file import BillFile, Row
from books.exceptions import BillBeingRead, BillMalformed
from books.fees import book_fees
from books.models import MAX_RAW, Bill, Difference, midnight
from books.recovery import Ours, ask, can_be_recovered, is_another_amount
from core.due import log_and_continue
from payments import alipay
from payments.exceptions import AlipaySaysNo, ResultUnknown
from payments.models.payment import PAID_STATUSES, Payment
from payments.models.refund import Refund
from payments.movement import Movement

logger = logging.getLogger(__name__)

BATCH = 1000
# "There is no bill" is said of a late one too. It is believed from noon on; two days later when
# there is something here that should stand in it.
BELIEVED, BELIEVED_AGAINST_US = timedelta(hours=12), timedelta(days=2, hours=12)
# Two clocks may differ: what is written here in the last minutes of a day may stand in the next
# day's bill, and is missed only if it does not stand there either.
CLOCKS = timedelta(minutes=5)
# After so many unclear answers in a row Alipay cannot be reached; the bill is due again.
PATIENCE = 3

Progress = Callable[[int, int], None]


def nobody(done: int, total: int) -> None:
    """Nobody wants to know how far it is."""


# -- fetch -----------------------------------------------------------------------------------------


def expect_bills() -> None:
    """Let there be a row for every day since the first payment whose bill should be there."""
    if first := first_day():
        Bill.objects.expect(first)


def first_day() -> date | None:
    """Return the day of the first attempt to pay: no bill of before can concern the shop."""
    first = Payment.objects.order_by("id").values_list("created_at", flat=True).first()
    return timezone.localtime(first, alipay.BEIJING).date() if first else None


def reconcile_what_is_due() -> int:
    """Reconcile every day whose bill is due; return how many there were."""
    expect_bills()
    due = Bill.objects.all().claim()
    for bill in due:
        with log_and_continue(bill):
            reconcile(bill)
    return len(due)


def reconcile(bill: Bill, *, file: IO[bytes] | None = None, progress: Progress = nobody) -> None:
    """Compare a day with Alipay's bill, fetched or given; ``bill`` says what came of it.

    Raise BillBeingRead when somebody else does so at this moment.
    """
    if not bill.begin():
        raise BillBeingRead
    try:
        with closing(file or bill_file.download(alipay.bill_url(bill.day))) as found:
            compare(bill, found, progress=progress)
    except AlipaySaysNo as no:
        if no.sub_code.upper().endswith("BILL_NOT_EXIST"):
            no_bill(bill)
        else:
            logger.error("Bill %s: Alipay says no: %s", bill, no)
            bill.mark_waiting(str(no))
    except ResultUnknown as unknown:
        logger.warning("Bill %s: Alipay does not say: %s", bill, unknown)
        bill.mark_waiting(str(unknown))
    except BillMalformed as malformed:
        logger.error("Bill %s: a person must look: %s", bill, malformed)
        bill.mark_malformed(str(malformed), raw=b"")
    finally:
        bill.end()


def no_bill(bill: Bill) -> None:
    """Take Alipay's "there is no bill" for "not yet", or, in the end, for "nothing happened"."""
    passed = timezone.now() - midnight(bill.day + timedelta(days=1))
    believed = BELIEVED_AGAINST_US if ours_unbilled(bill.day) else BELIEVED
    if bill.status == Bill.Status.READ:
        bill.mark_gone()
    elif passed < believed:
        logger.info("Bill %s: not there yet", bill)
        bill.mark_waiting("BILL_NOT_EXIST")
    else:
        comparison = Comparison(bill)
        comparison.miss_ours()
        comparison.end()
        bill.mark_empty()


def compare(bill: Bill, file: IO[bytes], *, asks: bool = True, progress: Progress = nobody) -> None:
    """Check all of a bill, then compare it row by row; keep one that cannot be read.

    ``asks`` Alipay about a row that it may know better.
    """
    contents = BillFile(file, day=bill.day)
    try:
        totals = contents.checked()
    except BillMalformed as malformed:
        logger.error("Bill %s: a person must look: %s", bill, malformed)
        file.seek(0)
        bill.mark_malformed(str(malformed), raw=file.read(MAX_RAW))
        return
    comparison = Comparison(bill, asks=asks)
    comparison.run(contents.rows(), totals.rows, progress=progress)
    bill.mark_read(totals, unclear=comparison.unclear)
    logger.info("Bill %s: %s rows, %s differ", bill, totals.rows, comparison.found)


# -- match -----------------------------------------------------------------------------------------


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rows = iter(rows)
    while batch := list(islice(rows, BATCH)):
        yield batch


class Comparison:
    """One run through one day."""

    def __init__(self, bill: Bill, *, asks: bool = True) -> None:
        self.bill, self.asks = bill, asks
        self.found = self.unclear = self.unclear_in_a_row = 0
        only_here = Difference.objects.open().filter(kind=Difference.Kind.ONLY_HERE)
        self.something_is_missed = only_here.exclude(bill=bill).exists()

    def run(self, rows: Iterable[Row], total: int, *, progress: Progress) -> None:
        """Go through the rows of a bill, then through what should be among them."""
        self.forget()
        done = 0
        progress(done, total)
        for batch in batches(rows):
            self.match(batch)
            self.bill.still_busy()
            done += len(batch)
            progress(done, total)
        self.miss_ours()
        self.end()

    def forget(self) -> None:
        """Forget what an earlier run found in this bill: this one looks for itself."""
        for model in (Payment, Refund):
            model.objects.filter(billed_on=self.bill.day).update(billed_on=None)

    def match(self, rows: list[Row]) -> None:
        """Match some rows with ours, recover what can be, and write the rest down."""
        ours = Ours.of(rows)
        lost = [row for row in rows if self.asks and can_be_recovered(row, ours)]
        if lost:
            for row in sorted(lost, key=lambda row: row.is_refund):
                self.recover(row, ours)
            ours = Ours.of(rows)
        known = [(row, mine) for row in rows if (mine := ours.movement(row))]
        with transaction.atomic():
            self.mark_billed([mine for _, mine in known])
            fees = [self.another_fee(*fee) for fee in book_fees(known)]
            self.name([found for row in rows if (found := self.differs(row, ours))] + fees)

    def mark_billed(self, known: list[Movement]) -> None:
        """Remember that this day's bill has them; another day need not miss them any more."""
        payments = [mine.payment_id for mine in known if not mine.refund_id]
        refunds = [mine.refund_id for mine in known if mine.refund_id]
        for model, name, ids in ((Payment, "payment", payments), (Refund, "refund", refunds)):
            if ids:
                model.objects.filter(pk__in=ids).update(billed_on=self.bill.day)
            if ids and self.something_is_missed:
                missed = Difference.objects.filter(kind=Difference.Kind.ONLY_HERE)
                missed.filter(movement=name.upper(), **{f"{name}__in": ids}).mend()

    # -- recover -----------------------------------------------------------------------------------

    def recover(self, row: Row, ours: Ours) -> None:
        """Ask Alipay about a row that it knows better; give up when it cannot be reached."""
        is_clear = self.unclear_in_a_row < PATIENCE and ask(row, ours)
        self.unclear_in_a_row = 0 if is_clear else self.unclear_in_a_row + 1
        self.unclear += not is_clear
        self.bill.still_busy()

    # -- name --------------------------------------------------------------------------------------

    def differs(self, row: Row, ours: Ours) -> Difference | None:
        """Return in what a row differs from ours, if it does."""
        mine = ours.movement(row)
        if mine is None:
            kind = Difference.Kind.ONLY_THERE
        elif is_another_amount(mine, row):
            kind = Difference.Kind.AMOUNT
        elif not mine.has_moved:
            kind = Difference.Kind.STATUS
        else:
            return None
        their_amount = row.amount if mine and mine.amount != row.amount else row.received
        return Difference(
            bill=self.bill,
            kind=kind,
            movement=Difference.Movement.REFUND if row.is_refund else Difference.Movement.PAYMENT,
            out_trade_no=row.out_trade_no,
            out_request_no=row.out_request_no,
            trade_no=row.trade_no,
            our_amount=mine.amount if mine else None,
            their_amount=their_amount,
            our_status=mine.status if mine else "",
            their_status=row.business,
            payment=ours.payments.get(row.out_trade_no),
            refund=ours.refund(row),
            seen_in=self.bill.runs,
        )

    def another_fee(self, row: Row, mine: Movement, booked: Decimal) -> Difference:
        return Difference(
            bill=self.bill,
            kind=Difference.Kind.AMOUNT,
            movement=Difference.Movement.FEE,
            out_trade_no=row.out_trade_no,
            out_request_no=row.out_request_no,
            trade_no=row.trade_no,
            our_amount=abs(booked),
            their_amount=abs(row.fee),
            their_status=row.business,
            payment_id=mine.payment_id,
            refund_id=mine.refund_id,
            seen_in=self.bill.runs,
        )

    def miss_ours(self) -> None:
        """Name what should stand in this bill, and stands in none."""
        for mine in ours_unbilled_one_by_one(self.bill.day):
            self.name([self.only_here(each) for each in mine])
            self.bill.still_busy()

    def only_here(self, mine: Movement) -> Difference:
        is_refund = mine.refund_id is not None
        return Difference(
            bill=self.bill,
            kind=Difference.Kind.ONLY_HERE,
            movement=Difference.Movement.REFUND if is_refund else Difference.Movement.PAYMENT,
            out_trade_no=mine.out_trade_no,
            out_request_no=mine.out_request_no,
            trade_no=mine.trade_no,
            our_amount=mine.amount,
            our_status=mine.status,
            payment_id=mine.payment_id,
            refund_id=mine.refund_id,
            seen_in=self.bill.runs,
        )

    def name(self, found: list[Difference]) -> None:
        """Write differences down, or find them again.

        What was resolved stays resolved, as long as it says the same.
        """
        if not found:
            return
        self.found += len(found)
        numbers = {difference.out_trade_no for difference in found}
        before = self.bill.differences.filter(out_trade_no__in=numbers)
        known = {difference.key: difference for difference in before}
        again = [difference for difference in found if difference.key in known]
        for difference in again:
            difference.pk = known[difference.key].pk
        others = [each for each in again if not each.is_like(known[each.key])]
        Difference.objects.bulk_update(others, Difference.AS_FOUND)
        seen = Difference.objects.filter(pk__in=[each.pk for each in again])
        seen.update(seen_in=self.bill.runs)
        is_other = Q(pk__in=[each.pk for each in others])
        seen.filter(is_other | Q(status=Difference.Status.MENDED)).reopen()
        new = [difference for difference in found if difference.key not in known]
        Difference.objects.bulk_create(new, ignore_conflicts=True)

    def end(self) -> None:
        """Take for mended what this run did not find any more."""
        self.bill.differences.exclude(seen_in=self.bill.runs).mend()


def ours_unbilled(day: date) -> bool:
    """Whether there is anything here that should stand in the bill of a day."""
    return any(query.exists() for query in queries_of_unbilled(day))


def ours_unbilled_one_by_one(day: date) -> Iterator[list[Any]]:
    """Return what should stand in the bill of a day and in no bill does, batch by batch."""
    for query in queries_of_unbilled(day):
        last = 0
        while batch := list(query.filter(pk__gt=last).order_by("pk")[:BATCH]):
            yield batch
            last = batch[-1].pk


def queries_of_unbilled(day: date) -> list[models.QuerySet[Any]]:
    span = (midnight(day) - CLOCKS, midnight(day + timedelta(days=1)) - CLOCKS)
    return [
        within(Payment.objects.filter(status__in=PAID_STATUSES), "paid_at", span),
        within(
            Refund.objects.filter(status=Refund.Status.DONE).select_related("payment"),
            "done_at",
            span,
        ),
    ]


def within(
    query: models.QuerySet[Any], name: str, span: tuple[datetime, datetime]
) -> models.QuerySet[Any]:
    return query.filter(billed_on=None, **{f"{name}__gte": span[0], f"{name}__lt": span[1]})
