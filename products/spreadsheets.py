"""The goods as a table: which columns leave, and what each row that comes back does.

A row with a product number changes that product; one without is a new product. A cell that is
empty, or a column that is left out, changes nothing. The stock comes back as a difference from what
the file, when it was written, said of it (or, without that column, from what the preview showed):
what was sold meanwhile stays sold.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export import fields, resources, widgets
from import_export.instance_loaders import BaseInstanceLoader

from core.money import format_amount
from core.spreadsheets import Column, Line, number, text, whole_number
from products.models import MAX_STOCK, Category, Product, StockMovement

MAX_DESCRIPTION = 4000
YES = {"yes", "true", "1", "是", "y"}
NO = {"no", "false", "0", "否", "n"}

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


class Cell(widgets.Widget):
    """Reads a cell by one of the functions that refuse in words."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        super().__init__()
        self.read = read

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        return None if value == "" else self.read(value)


class Optional(fields.Field):
    """A column whose empty cells leave the product alone."""

    def __init__(self, name: str, read: Callable[[Any], Any]) -> None:
        super().__init__(
            attribute=name, column_name=name, widget=Cell(read), saves_null_values=False
        )


class Stock(Optional):
    """The stock of a new product; of one that is there, by how many it changes."""

    def save(self, instance: Any, row: Any, is_m2m: bool = False, **kwargs: Any) -> None:
        wanted = self.clean(row)
        if wanted is None:
            return
        if not 0 <= wanted <= MAX_STOCK:
            raise ValueError(_("The stock is from 0 to %(most)s.") % {"most": MAX_STOCK})
        if instance._state.adding:
            instance.stock = wanted
            return
        seen = whole_number(row.get("stock_seen", ""))
        instance.stock_difference = wanted - (instance.stock if seen is None else seen)
        left = instance.stock + instance.stock_difference
        if not 0 <= left <= MAX_STOCK:
            raise ValueError(
                _("There are %(stock)s now: %(difference)s is not possible.")
                % {"stock": instance.stock, "difference": f"{instance.stock_difference:+}"}
            )
        if instance.stock_difference and not kwargs["user"].has_perm("products.correct_stock"):
            raise ValueError(_("You may not correct the stock; leave the cell empty."))


class Description(Optional):
    """Many lines, whose ends each program writes in its own way."""

    def save(self, instance: Any, row: Any, is_m2m: bool = False, **kwargs: Any) -> None:
        before = instance.description
        super().save(instance, row, is_m2m, **kwargs)
        if instance.description.splitlines() == before.strip().splitlines():
            instance.description = before


def yes(cell: Any) -> bool:
    word = str(cell).strip().casefold()
    if word in YES | {_("Yes").casefold()}:
        return True
    if word in NO | {_("No").casefold()}:
        return False
    raise ValueError(_("Write yes or no, not “%(cell)s”.") % {"cell": str(cell)[:40]})


class LockedProducts(BaseInstanceLoader):
    def get_instance(self, row: dict[str, Any]) -> Product | None:
        return self.resource.products.get(whole_number(row["id"]))


class ProductRows(resources.ModelResource):
    """What import-export does with each row; all of them or none are written."""

    id = Optional("id", whole_number)
    name = Optional("name", text)
    description = Description("description", text)
    price = Optional("price", number)
    stock = Stock("stock", whole_number)
    is_on_sale = Optional("is_on_sale", yes)

    class Meta:
        model = Product
        fields = ("id", "category", "name", "description", "price", "stock", "is_on_sale")
        import_id_fields = ("id",)
        instance_loader_class = LockedProducts
        use_transactions = True
        store_instance = True
        skip_diff = True

    def __init__(self, lines: list[Line], *, reason: str) -> None:
        super().__init__()
        self.fields["category"] = Optional("category", self.category_named)
        self.lines = lines
        self.reason = reason

    def category_named(self, cell: Any) -> Category:
        wanted = text(cell).casefold()
        for category in self.categories.values():
            if wanted in (category.name.casefold(), category.slug.casefold()):
                return category
        raise ValueError(
            _("There is no category “%(name)s”. There are: %(known)s.")
            % {
                "name": text(cell)[:60],
                "known": ", ".join(category.name for category in self.categories.values()),
            }
        )

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        """Lock what the file names, in one go and in ascending order, as a checkout does."""
        self.categories = Category.objects.in_bulk()
        self.numbers = [self.number_of(line) for line in self.lines]
        wanted = {found for found in self.numbers if found}
        self.products = {product.pk: product for product in Product.objects.locked(wanted)}
        for product in self.products.values():
            product.category = self.categories.get(product.category_id or 0)
        new = [str(line.cells.get("name", "")) for line in self.lines if not line.cells["id"]]
        self.names = dict(Product.objects.filter(name__in=new).values_list("name", "pk"))
        # By number, else by name: the row of the file in which it stood first.
        self.met: dict[Any, int] = {}

    def number_of(self, line: Line) -> int | None:
        try:
            return whole_number(line.cells["id"])
        except ValueError:
            return None  # the row itself says it

    def before_import_row(self, row: dict[str, Any], **kwargs: Any) -> None:
        """Refuse a number that is none of a product's, and a product that is there twice."""
        try:
            found = whole_number(row["id"])
        except ValueError as trouble:
            raise ValidationError({"id": str(trouble)}) from trouble
        if found is not None and found not in self.products:
            raise ValidationError({"id": _("There is no product with this number.")})
        name = str(row.get("name", ""))
        if found is None and name in self.names:
            raise ValidationError(
                {"id": _("The product %(id)s has this name already.") % {"id": self.names[name]}}
            )
        here = self.lines[kwargs["row_number"] - 1].number
        first = self.met.setdefault(found or name, here)
        if first != here:
            raise ValidationError({"id": _("It stands in row %(row)s already.") % {"row": first}})

    def after_init_instance(self, instance: Any, new: bool, row: Any, **kwargs: Any) -> None:
        instance.stock_difference = 0
        instance.before = {} if new else {name: getattr(instance, name) for name in WRITTEN}

    def validate_instance(
        self,
        instance: Any,
        import_validation_errors: dict[str, Any] | None = None,
        validate_unique: bool = True,
    ) -> None:
        """Check each field once, without the statements that a whole check would make."""
        errors = dict(import_validation_errors or {})
        if instance.price is None and "price" not in errors:
            errors["price"] = [_("A new product needs a price.")]
        if len(instance.description) > MAX_DESCRIPTION:
            errors["description"] = [
                _("The description is longer than %(most)s characters.") % {"most": MAX_DESCRIPTION}
            ]
        try:
            instance.clean_fields(exclude={*errors, "id", "category", "picture"})
        except ValidationError as more:
            errors = more.update_error_dict(errors)
        if errors:
            raise ValidationError(errors)

    def skip_row(
        self, instance: Any, original: Any, row: Any, import_validation_errors: Any = None
    ) -> bool:
        is_same = bool(instance.before) and not changes(instance)
        return is_same and not import_validation_errors

    def do_instance_save(self, instance: Any, is_create: bool) -> None:
        if is_create:
            instance.save()
            return
        written = [name for name in WRITTEN if getattr(instance, name) != instance.before[name]]
        if written:
            instance.save(update_fields=[*written, "updated_at"])

    def after_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        if instance.stock_difference and not Product.correct(
            instance.pk,
            difference=instance.stock_difference,
            reason=self.reason,
            by=kwargs["user"],
        ):
            raise ValidationError({"stock": _("Fewer are left than you take away.")})

    def after_import_row(self, row: Any, row_result: Any, **kwargs: Any) -> None:
        row_result.changes = changes(row_result.instance)

    def after_import(self, dataset: Any, result: Any, **kwargs: Any) -> None:
        """Leave the database's counter of ids alone: no row brings one of its own."""


# What a row may change by itself; the stock changes by a difference.
WRITTEN = ("category", "name", "description", "price", "is_on_sale")


def changes(product: Any) -> list[tuple[str, str, str]]:
    """Return what a row changes: the column's heading, what stood there and what will."""
    if not product.before:
        told = ("category", "price", "stock", "is_on_sale")
        shown = ((name, words(getattr(product, name))) for name in told)
        return [(str(HEADINGS[name]), "", new) for name, new in shown if new]
    found = [
        (str(HEADINGS[name]), words(old), words(getattr(product, name)))
        for name, old in product.before.items()
        if getattr(product, name) != old
    ]
    if product.stock_difference:
        left = product.stock + product.stock_difference
        found.append((str(HEADINGS["stock"]), str(product.stock), str(left)))
    return found


def words(value: Any) -> str:
    if isinstance(value, bool):
        return yes_or_no(value)
    if isinstance(value, Decimal):
        return format_amount(value)
    return "" if value is None else str(value)
