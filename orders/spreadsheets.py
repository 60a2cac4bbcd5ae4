"""The orders as a table for the accountant: one row an order."""

from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from core.money import format_amount
from core.spreadsheets import Column
from orders.models import Order


def items(order: Order) -> str:
    """Say what was bought in one cell: ``2 × 龙井 tea (9.90); …``."""
    return "; ".join(
        f"{item.quantity} × {item.product_name} ({format_amount(item.price_at_purchase)})"
        for item in order.items.all()
    )


def pieces(order: Order) -> int:
    return sum(item.quantity for item in order.items.all())


def paid(order: Order) -> Decimal | None:
    """Return what came in for it; nothing for an order that was never paid."""
    return order.total_price if order.paid_at else None


COLUMNS = [
    Column("order_id", _("order number"), lambda order: order.order_id),
    Column("created_at", _("created at"), lambda order: order.created_at),
    Column("status", _("status"), Order.get_status_display),
    Column("user", _("buyer"), lambda order: str(order.user)),
    Column("total_price", _("total (yuan)"), lambda order: order.total_price),
    Column("paid", _("paid (yuan)"), paid),
    Column("paid_at", _("paid at"), lambda order: order.paid_at),
    Column("payment_method", _("payment method"), Order.get_payment_method_display),
    Column("transaction_id", _("transaction number"), lambda order: order.transaction_id),
    Column("pieces", _("pieces"), pieces),
    Column("items", _("items"), items),
    Column("restocked_at", _("goods came back at"), lambda order: order.restocked_at),
]
