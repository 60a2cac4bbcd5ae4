"""What the journal adds to the accountant's table of orders."""

from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from core.spreadsheets import Column
from orders.models import Order
from payments.journal import What

# What the columns look at.
PREFETCH = ("payments__journal",)


def booked(order: Order, plus: What, minus: What | None = None) -> Decimal | None:
    """Return what stands in the journal of the payment that the order has the money of, in yuan."""
    if not order.paid_at:
        return None
    entries = [
        entry
        for payment in order.payments.all()
        if payment.trade_no == order.transaction_id
        for entry in payment.journal.all()
    ]
    signs = {plus: 1, minus: -1}
    return sum((signs.get(What(each.what), 0) * each.amount for each in entries), Decimal("0.00"))


def refunded(order: Order) -> Decimal | None:
    return booked(order, What.REFUND)


def fees(order: Order) -> Decimal | None:
    """Return what Alipay kept, less what it gave back; known from its bill, the next morning."""
    return booked(order, What.FEE, What.FEE_BACK)


COLUMNS = [
    Column("refunded", _("refunded (yuan)"), refunded),
    Column("fees", _("fees (yuan)"), fees),
]
