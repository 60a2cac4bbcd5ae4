"""What Alipay keeps of each payment, and gives back with a refund: in the journal, once."""

from typing import Any

from payments.bills import Row
from payments.journal import LEGS, JournalEntry, What
from payments.mending import is_settled
from payments.models import Payment, Refund


def book_fees(known: list[tuple[Row, Any]]) -> None:
    """Write the fees of some rows into the journal, each once, at the time of its row."""
    fees = [fee_of(row, mine) for row, mine in known if row.fee and is_settled(mine)]
    booked = fees_booked(fees)
    JournalEntry.objects.bulk_create(
        [fee for fee in fees if (fee.what, fee.payment_id, fee.refund_id) not in booked],
        ignore_conflicts=True,  # another day's run may be faster
    )


def fees_booked(fees: list[JournalEntry]) -> set[tuple[str, int, int | None]]:
    """Return which of these are in the journal already."""
    of_these = JournalEntry.objects.filter(payment__in=[fee.payment_id for fee in fees])
    booked = of_these.filter(what__in=[What.FEE, What.FEE_BACK])
    return set(booked.values_list("what", "payment_id", "refund_id"))


def fee_of(row: Row, mine: Payment | Refund) -> JournalEntry:
    what = What.FEE if row.fee > 0 else What.FEE_BACK
    debit, credit = LEGS[what]
    return JournalEntry(
        at=row.completed_at,
        what=what,
        debit=debit,
        credit=credit,
        amount=abs(row.fee),
        payment_id=mine.payment_id if isinstance(mine, Refund) else mine.pk,
        refund_id=mine.pk if isinstance(mine, Refund) else None,
    )
