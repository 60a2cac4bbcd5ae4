"""Many products at once: prices by a percentage, the stock by a difference.

Each is asked for, shown as old → new, and done only for what was shown: a product that changed
meanwhile, by a sale or by somebody else, or by the same form sent twice, is shown again instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.money import LARGEST, SMALLEST
from products.models import MAX_STOCK, Product

MOST = 500  # products at once


def validate_not_zero(value: Decimal | int) -> None:
    if not value:
        raise forms.ValidationError(_("This changes nothing."))


class PriceForm(forms.Form):
    percent = forms.DecimalField(
        label=gettext_lazy("change in percent"),
        min_value=Decimal("-95"),
        max_value=Decimal("900"),
        max_digits=5,
        decimal_places=2,
        validators=[validate_not_zero],
        help_text=gettext_lazy("10 makes dearer, -10 makes cheaper; rounded to the fen."),
    )


class StockForm(forms.Form):
    difference = forms.IntegerField(
        label=gettext_lazy("difference"),
        min_value=-MAX_STOCK,
        max_value=MAX_STOCK,
        validators=[validate_not_zero],
        help_text=gettext_lazy("5 when five more were found, -5 when five are gone."),
    )
    reason = forms.CharField(
        label=gettext_lazy("reason"),
        max_length=200,
        help_text=gettext_lazy("Kept in the stock movements for good."),
    )


@dataclass(frozen=True)
class Change:
    """What would become of one product."""

    product: Product
    old: Any
    new: Any
    trouble: str = ""

    @property
    def seen(self) -> str:
        """What was shown, as the page sends it back."""
        return f"{self.product.pk}:{self.old}"


def price_change(product: Product, percent: Decimal) -> Change:
    """Return a price as it would be, rounded half up to the fen."""
    exact = product.price * (100 + percent) / 100
    new = exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    is_possible = SMALLEST <= new <= LARGEST
    return Change(
        product, product.price, new, "" if is_possible else _("This is no possible price.")
    )


def stock_change(product: Product, difference: int) -> Change:
    new = product.stock + difference
    trouble = ""
    if new < 0:
        trouble = _("Fewer are left than you take away.")
    elif new > MAX_STOCK:
        trouble = _("The stock is from 0 to %(most)s.") % {"most": MAX_STOCK}
    return Change(product, product.stock, new, trouble)


@transaction.atomic
def write_as_seen(
    ids: list[int],
    *,
    plan: Callable[[Product], Change],
    seen: list[str],
    write: Callable[[Change], None],
) -> list[Change] | None:
    """Write what was shown, all of it; return None when something is not as it was shown."""
    changes = [plan(product) for product in Product.objects.locked(ids)]
    if [change.seen for change in changes] != seen or any(change.trouble for change in changes):
        return None
    for change in changes:
        write(change)
    return changes


def write_price(change: Change) -> None:
    change.product.price = change.new
    change.product.save(update_fields=["price", "updated_at"])


def write_stock(change: Change, *, reason: str, by: Any) -> None:
    difference = change.new - change.old
    Product.correct(change.product.pk, difference=difference, reason=reason, by=by)
