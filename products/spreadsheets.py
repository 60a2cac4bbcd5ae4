"""The goods, and the movements of their stock, as tables: which columns they have."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.spreadsheets import Column
from products.models import StockMovement

COLUMNS = [
    Column("id", gettext_lazy("product number"), lambda product: product.pk),
    Column("category", gettext_lazy("category"), lambda product: str(product.category or "")),
    Column("name", gettext_lazy("name"), lambda product: product.name),
    Column("description", gettext_lazy("description"), lambda product: product.description),
    Column("price", gettext_lazy("price (yuan)"), lambda product: product.price),
    Column("stock", gettext_lazy("stock"), lambda product: product.stock),
    Column("stock_seen", gettext_lazy("stock when exported"), lambda product: product.stock),
    Column("is_on_sale", gettext_lazy("on sale"), lambda product: yes_or_no(product.is_on_sale)),
]
HEADINGS: dict[str, str | Promise] = {column.key: column.heading for column in COLUMNS}

MOVEMENT_COLUMNS = [
    Column("at", gettext_lazy("at"), lambda movement: movement.at),
    Column("product_id", gettext_lazy("product number"), lambda movement: movement.product_id),
    Column("product", gettext_lazy("product"), lambda movement: movement.product.name),
    Column("quantity", gettext_lazy("quantity"), lambda movement: movement.quantity),
    Column("cause", gettext_lazy("cause"), StockMovement.get_cause_display),
    Column("reference", gettext_lazy("order number"), lambda movement: movement.reference),
    Column("reason", gettext_lazy("reason"), lambda movement: movement.reason),
    Column("by", gettext_lazy("by"), lambda movement: str(movement.by or "")),
]


def yes_or_no(value: bool) -> str:
    return _("Yes") if value else _("No")
