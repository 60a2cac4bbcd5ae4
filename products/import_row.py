"""What one row of a file does to a product.

A row with a product number changes that product; one without is a new product. A cell that is
empty, or a column that is left out, changes nothing. The stock comes back as a difference from what
the file, when it was written, said of it (or, without that column, from what the preview showed):
what was sold meanwhile stays sold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from core.money import format_amount
from core.spreadsheets import Line
from core.spreadsheets.cells import number, text, whole_number
from products.models import MAX_STOCK, Category, Product
from products.spreadsheets import HEADINGS, yes_or_no

MAX_DESCRIPTION = 4000
YES = {"yes", "true", "1", "是", "y"}
NO = {"no", "false", "0", "否", "n"}

# What the preview says of a new product.
SHOWN_OF_NEW = ("category", "price", "stock", "is_on_sale")


def boolean(cell: Any) -> bool:
    word = str(cell).strip().casefold()
    if word in YES | {_("Yes").casefold()}:
        return True
    if word in NO | {_("No").casefold()}:
        return False
    raise ValueError(_("Write yes or no, not “%(cell)s”.") % {"cell": str(cell)[:40]})


class Cell(forms.Field):
    """A cell, read by one of the functions that refuse in words; None when it is empty."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        super().__init__(required=False)
        self.read = read

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return None
        try:
            return self.read(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class ImportRow(forms.Form):
    """A row and the product that it means: what it changes there, or what is wrong with it."""

    category = Cell(text)
    name = Cell(text)
    description = Cell(text)
    price = Cell(number)
    is_on_sale = Cell(boolean)
    stock_seen = Cell(whole_number)
    stock = Cell(whole_number)

    def __init__(
        self,
        line: Line,
        *,
        product: Product,
        categories: Iterable[Category],
        may_correct_stock: bool,
    ) -> None:
        super().__init__(line.cells)
        self.number = line.number
        self.product = product
        self.is_new = product._state.adding
        self.categories = categories
        self.may_correct_stock = may_correct_stock
        # By field: what stood there, and what will.
        self.changed: dict[str, tuple[Any, Any]] = {}

    def clean_category(self) -> Category | None:
        name = self.cleaned_data["category"]
        if name is None:
            return None
        for category in self.categories:
            if name.casefold() in (category.name.casefold(), category.slug.casefold()):
                return category
        raise ValidationError(
            _("There is no category “%(name)s”. There are: %(known)s.")
            % {
                "name": name[:60],
                "known": ", ".join(category.name for category in self.categories),
            }
        )

    def clean_description(self) -> str | None:
        """Return the description when it is another one: each program ends lines in its own way."""
        described: str | None = self.cleaned_data["description"]
        lines_before = self.product.description.strip().splitlines()
        if described is None or described.splitlines() == lines_before:
            return None
        if len(described) > MAX_DESCRIPTION:
            raise ValidationError(
                _("The description is longer than %(most)s characters.") % {"most": MAX_DESCRIPTION}
            )
        return described

    def clean_price(self) -> Decimal | None:
        price: Decimal | None = self.cleaned_data["price"]
        if price is None and self.is_new:
            raise ValidationError(_("A new product needs a price."))
        return price

    def clean_stock(self) -> int | None:
        """Return how many there will be: what was sold since the file was written stays sold."""
        wanted: int | None = self.cleaned_data["stock"]
        if wanted is None:
            return None
        if not 0 <= wanted <= MAX_STOCK:
            raise ValidationError(_("The stock is from 0 to %(most)s.") % {"most": MAX_STOCK})
        if self.is_new:
            return wanted
        now = self.product.stock
        seen = self.cleaned_data.get("stock_seen")
        difference = wanted - (now if seen is None else seen)
        if not 0 <= now + difference <= MAX_STOCK:
            raise ValidationError(
                _("There are %(stock)s now: %(difference)s is not possible.")
                % {"stock": now, "difference": f"{difference:+}"}
            )
        if difference and not self.may_correct_stock:
            raise ValidationError(_("You may not correct the stock; leave the cell empty."))
        return now + difference

    def clean(self) -> None:
        """Give the product what changes, and check each of its fields.

        The whole check, full_clean, would make statements for every row.
        """
        for name, value in self.cleaned_data.items():
            if name == "stock_seen":
                continue  # said of the file, not of the product
            before = getattr(self.product, name)
            if value is not None and value != before:
                self.changed[name] = before, value
                setattr(self.product, name, value)
        if self.is_new or self.changed:
            self.product.clean_fields(exclude={*self.errors, "id", "category", "picture"})

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        """What the row changes, as it is shown: the heading, what stood there and what will."""
        if self.is_new:
            shown = ((name, displayed(getattr(self.product, name))) for name in SHOWN_OF_NEW)
            return [(str(HEADINGS[name]), "", new) for name, new in shown if new]
        return [
            (str(HEADINGS[name]), displayed(before), displayed(after))
            for name, (before, after) in self.changed.items()
        ]

    def write(self, *, by: Any, reason: str) -> None:
        """Save what changes of the product; of the stock only the difference.

        The product was locked when it was found, so that enough are left.
        """
        if self.is_new:
            self.product.save()
            return
        fields = [name for name in self.changed if name != "stock"]
        if fields:
            self.product.save(update_fields=[*fields, "updated_at"])
        if "stock" in self.changed:
            before, after = self.changed["stock"]
            Product.correct(self.product.pk, difference=after - before, reason=reason, by=by)


def displayed(value: Any) -> str:
    if isinstance(value, bool):
        return yes_or_no(value)
    if isinstance(value, Decimal):
        return format_amount(value)
    return "" if value is None else str(value)
