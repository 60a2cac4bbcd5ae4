"""What Alipay keeps of each payment, and gives back with a refund: in the journal, once."""

from collections import defaultdict
from decimal import Decimal

from books.bill_file import Row
from payments.journal import LEGS, JournalEntry, What
from payments.movement import Movement

Known = list[tuple[Row, Movement]]
# Ids fee it is: a payment's, or that of one of its refunds.
Ids = tuple[int, int | None]


def book_fees(known: Known) -> list[tuple[Row, Movement, Decimal]]:
    """Write the fees of some rows into the journal, each once, at the time of its row.

    Return the rows of which another fee is in the journal already, each with that fee in yuan.
    """
    settled = [(row, mine) for row, mine in known if mine.has_moved]
    booked = fees_booked([mine for _, mine in settled])
    JournalEntry.objects.bulk_create(
        [fee_of(row, mine) for row, mine in settled if row.fee and ids_of(mine) not in booked],
        ignore_conflicts=True,  # another day's run may be faster
    )
    return [
        (row, mine, booked[ids_of(mine)])
        for row, mine in settled
        if booked.get(ids_of(mine), row.fee) != row.fee
    ]


def fees_booked(rows: list[Movement]) -> dict[Ids, Decimal]:
    """Return what is in the journal of these already; below zero what was given back."""
    of_these = JournalEntry.objects.filter(payment__in={ids_of(mine)[0] for mine in rows})
    booked: dict[Ids, Decimal] = defaultdict(Decimal)
    for what, payment_id, refund_id, amount in of_these.filter(
        what__in=[What.FEE, What.FEE_BACK]
    ).values_list("what", "payment_id", "refund_id", "amount"):
        booked[payment_id, refund_id] += amount if what == What.FEE else -amount
    return booked


def ids_of(mine: Movement) -> Ids:
    return mine.payment_id, mine.refund_id


def fee_of(row: Row, mine: Movement) -> JournalEntry:
    what = What.FEE if row.fee > 0 else What.FEE_BACK
    debit, credit = LEGS[what]
    return JournalEntry(
        at=row.completed_at,
        what=what,
        debit=debit,
        credit=credit,
        amount=abs(row.fee),
        payment_id=mine.payment_id,
        refund_id=mine.refund_id,
    )
