"""What the shop knows of the rows of a bill, and what it can learn by asking Alipay.

a lost notice                       the payment is asked about, and settled
a refund that is not clear          it is sent once more, by its own number
one made in Alipay's own console    it is written down here
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from books.bill_file import Row
from payments import query, refunds
from payments.exceptions import AlipaySaysNo, Refused, ResultUnknown
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.movement import Movement

logger = logging.getLogger(__name__)


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

    def refund(self, row: Row) -> Refund | None:
        """Return the refund that a row is about."""
        if not (row.is_refund and self.payment(row)):
            return None
        return self.refunds.get((row.out_trade_no, row.out_request_no))

    def movement(self, row: Row) -> Movement | None:
        """Return the payment or refund that a row is about."""
        return self.refund(row) if row.is_refund else self.payment(row)


def is_another_amount(mine: Movement, row: Row) -> bool:
    return not mine.amount == row.amount == row.received


def can_be_recovered(row: Row, ours: Ours) -> bool:
    """Whether Alipay, asked, may tell what the shop does not know yet.

    Where the amounts differ, nothing is asked for in the shop's name: a person must look.
    """
    if mine := ours.movement(row):
        return mine.may_have_moved and not is_another_amount(mine, row)
    return row.is_refund and bool(row.out_request_no) and ours.payment(row) is not None


def ask(row: Row, ours: Ours) -> bool:
    """Ask Alipay about what a row tells, and write down its answer; return whether it is clear."""
    payment = ours.payments[row.out_trade_no]
    if refund := ours.refund(row):
        refunds.send(refund)
        refund.refresh_from_db(fields=["status"])
        return not refund.is_open
    if not payment.has_moved and not query.ask(payment):
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
