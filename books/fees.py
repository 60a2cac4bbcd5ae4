"""What Alipay keeps of each payment, and gives back with a refund: in the journal, once."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from books.bill_file import Row
from books.recovery import is_settled
from payments.journal import LEGS, JournalEntry, What
from payments.models import Payment, Refund

Known = list[tuple[Row, Any]]
# Whose fee it is: a payment's, or that of one of its refunds.
Whose = tuple[int, int | None]


def book_fees(known: Known) -> list[tuple[Row, Any, Decimal]]:
    """Write the fees of some rows into the journal, each once, at the time of its row.

    Return the rows of which another fee is in the journal already, each with that fee in yuan.
    """
    settled = [(row, mine) for row, mine in known if is_settled(mine)]
    booked = fees_booked([mine for _, mine in settled])
    JournalEntry.objects.bulk_create(
        [fee_of(row, mine) for row, mine in settled if row.fee and whose(mine) not in booked],
        ignore_conflicts=True,  # another day's run may be faster
    )
    return [
        (row, mine, booked[whose(mine)])
        for row, mine in settled
        if booked.get(whose(mine), row.fee) != row.fee
    ]


def fees_booked(rows: list[Any]) -> dict[Whose, Decimal]:
    """Return what is in the journal of these already; below zero what was given back."""
    of_these = JournalEntry.objects.filter(payment__in={whose(mine)[0] for mine in rows})
    booked: dict[Whose, Decimal] = defaultdict(Decimal)
    for what, payment_id, refund_id, amount in of_these.filter(
        what__in=[What.FEE, What.FEE_BACK]
    ).values_list("what", "payment_id", "refund_id", "amount"):
        booked[payment_id, refund_id] += amount if what == What.FEE else -amount
    return booked


def whose(mine: Payment | Refund) -> Whose:
    return (mine.payment_id, mine.pk) if isinstance(mine, Refund) else (mine.pk, None)


def fee_of(row: Row, mine: Payment | Refund) -> JournalEntry:
    what = What.FEE if row.fee > 0 else What.FEE_BACK
    debit, credit = LEGS[what]
    payment_id, refund_id = whose(mine)
    return JournalEntry(
        at=row.completed_at,
        what=what,
        debit=debit,
        credit=credit,
        amount=abs(row.fee),
        payment_id=payment_id,
        refund_id=refund_id,
    )
