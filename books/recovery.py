"""What the shop knows of the rows of a bill, and what it can learn by asking Alipay.

a lost notice                       the payment is asked about, and settled
a refund that is not clear          it is sent once more, by its own number
one made in Alipay's own console    it is written down here
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from books.bill_file import Row
from payments import expiry, refunds
from payments.exceptions import AlipaySaysNo, Refused, ResultUnknown
from payments.models import Payment, Refund

logger = logging.getLogger(__name__)

SETTLED = (Payment.Status.PAID, Payment.Status.REFUNDED)


@dataclass
class Ours:
    """What the shop knows of some rows, in two queries."""

    payments: dict[str, Payment] = field(default_factory=dict)
    refunds: dict[tuple[str, str], Refund] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Ours":
        paid = {row.out_trade_no for row in rows}
        refunded = {row.out_trade_no for row in rows if row.is_refund}
        payments = Payment.objects.filter(out_trade_no__in=paid)
        refunds = Refund.objects.filter(payment__out_trade_no__in=refunded)
        return cls(
            payments={payment.out_trade_no: payment for payment in payments},
            refunds={
                (refund.payment.out_trade_no, refund.out_request_no): refund
                for refund in refunds.select_related("payment")
            }
            if refunded
            else {},
        )

    def payment(self, row: Row) -> Payment | None:
        """Return the payment whose trade a row is about: by our number and by Alipay's."""
        payment = self.payments.get(row.out_trade_no)
        return payment if payment and payment.trade_no in ("", row.trade_no) else None

    def row(self, row: Row) -> Payment | Refund | None:
        """Return the payment or refund that a row is about."""
        payment = self.payment(row)
        if payment and row.is_refund:
            return self.refunds.get((row.out_trade_no, row.out_request_no))
        return payment


def is_settled(mine: Payment | Refund) -> bool:
    """Whether the shop knows that this money moved."""
    if isinstance(mine, Refund):
        return mine.status == Refund.Status.DONE
    return mine.status in SETTLED


def is_another_amount(mine: Payment | Refund, row: Row) -> bool:
    return not mine.amount == row.amount == row.received


def can_be_mended(row: Row, ours: Ours) -> bool:
    """Whether Alipay, asked, may tell what the shop does not know yet.

    Where the amounts differ, nothing is asked for in the shop's name: a person must look.
    """
    mine = ours.row(row)
    if isinstance(mine, Refund):
        return mine.is_open and not is_another_amount(mine, row)
    if isinstance(mine, Payment):
        return mine.status not in SETTLED and not is_another_amount(mine, row)
    return row.is_refund and bool(row.out_request_no) and ours.payment(row) is not None


def ask(row: Row, ours: Ours) -> bool:
    """Ask Alipay about what a row tells, and write down its answer; return whether it is clear."""
    payment, mine = ours.payments[row.out_trade_no], ours.row(row)
    if isinstance(mine, Refund):
        refunds.send(mine)
        mine.refresh_from_db(fields=["status"])
        return not mine.is_open
    if not is_settled(payment) and not expiry.ask(payment):
        return False
    return not row.is_refund or import_refund(payment, row)


def import_refund(payment: Payment, row: Row) -> bool:
    """Write down a refund that nobody here asked for; return whether Alipay's answer is clear."""
    try:
        refunds.import_refund(payment, out_request_no=row.out_request_no)
    except ResultUnknown as unknown:
        logger.warning("Refund %s: Alipay does not say: %s", row.out_request_no, unknown)
        return False
    except (AlipaySaysNo, Refused) as refusal:
        logger.error("Refund %s: a person must look: %s", row.out_request_no, refusal)
        return not isinstance(refusal, AlipaySaysNo) or refunds.is_final(str(refusal))
    return True
