"""What happens with a file of products: read it, show what it would do, ask, and do that.

1. preview    read the file; say what it would change, or what is wrong
2. keep       its rows as a draft, with the stock of that moment, when nothing is wrong
3. carry out  the draft, once, when its operator says so: all of it, or nothing
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core.spreadsheets import Line, Unreadable
from core.spreadsheets.cells import whole_number
from core.spreadsheets.reading import read
from products.import_row import ImportRow
from products.models import Category, ImportDraft, Product
from products.spreadsheets import COLUMNS, HEADINGS

# So long a draft waits for its yes.
DRAFT_LIFETIME = timedelta(hours=2)
MAX_SHOWN = 200


@dataclass
class Outcome:
    """What a file does, or what is wrong with it."""

    troubles: list[tuple[int, str, str]] = field(default_factory=list)  # row, column, words
    rows: list[ImportRow] = field(default_factory=list)
    unchanged: int = 0
    draft: ImportDraft | None = None

    @property
    def added(self) -> int:
        return sum(row.is_new for row in self.rows)

    @property
    def changed(self) -> int:
        return len(self.rows) - self.added

    @property
    def wrong_rows(self) -> int:
        return len({number for number, _column, _words in self.troubles})

    @property
    def shown(self) -> list[ImportRow]:
        return self.rows[:MAX_SHOWN]

    @property
    def shown_troubles(self) -> list[tuple[int, str, str]]:
        return self.troubles[:MAX_SHOWN]


def preview(upload: UploadedFile, *, by: Any) -> Outcome:
    """Say what a file would do, and keep it as a draft; raise Unreadable when it is no table."""
    lines = read(upload, COLUMNS)
    for line in lines:
        line.cells.setdefault("id", "")
    if not any("name" in line.cells or line.cells["id"] for line in lines):
        raise Unreadable(_("A file needs the column of product numbers, or that of names."))
    with transaction.atomic():
        finder = ProductFinder(lines)
        finder.note_stock()
        outcome = check(lines, finder, by=by)
        if not outcome.troubles and outcome.rows:
            outcome.draft = keep(lines, name=(upload.name or "")[-120:], by=by)
    return outcome


class ProductFinder:
    """The products that a file names, and for each of its rows the one that it means.

    They are locked in one go and in ascending order, as a checkout does.
    """

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        numbers = [self.number_of(line) for line in lines]
        self.products = {
            product.pk: product for product in Product.objects.locked(filter(None, numbers))
        }
        self.categories = Category.objects.in_bulk()
        for product in self.products.values():
            product.category = self.categories.get(product.category_id or 0)
        new = [str(line.cells.get("name", "")) for line in lines if not line.cells["id"]]
        self.names = dict(Product.objects.filter(name__in=new).values_list("name", "pk"))
        # By number, else by name: the row of the file in which it stood first.
        self.found: dict[int | str, int] = {}

    def number_of(self, line: Line) -> int | None:
        try:
            return whole_number(line.cells["id"])
        except ValueError:
            return None  # the row itself says it

    def find(self, line: Line) -> Product:
        """Return the product that a row means, maybe a new one, or raise ValueError with words."""
        number = whole_number(line.cells["id"])
        if number is not None and number not in self.products:
            raise ValueError(_("There is no product with this number."))
        name = str(line.cells.get("name", ""))
        if number is None and name in self.names:
            raise ValueError(
                _("The product %(id)s has this name already.") % {"id": self.names[name]}
            )
        first = self.found.setdefault(number or name, line.number)
        if first != line.number:
            raise ValueError(_("It stands in row %(row)s already.") % {"row": first})
        return Product() if number is None else self.products[number]

    def note_stock(self) -> None:
        """Add to the rows the stock that the operator is shown: a sale may come before the yes."""
        for line in self.lines:
            product = self.products.get(self.number_of(line) or 0)
            if product and line.cells.get("stock_seen", "") == "":
                line.cells["stock_seen"] = product.stock


def check(lines: list[Line], finder: ProductFinder, *, by: Any) -> Outcome:
    """Say what each row would change, or what is wrong with it; write nothing."""
    outcome = Outcome()
    may_correct_stock = by.has_perm("products.correct_stock")
    for line in lines:
        try:
            product = finder.find(line)
        except ValueError as error:
            outcome.troubles.append((line.number, str(HEADINGS["id"]), str(error)))
            continue
        row = ImportRow(
            line,
            product=product,
            categories=finder.categories.values(),
            may_correct_stock=may_correct_stock,
        )
        if row.errors:
            outcome.troubles += [
                (line.number, str(HEADINGS[column]), str(words))
                for column, errors in row.errors.items()
                for words in errors
            ]
        elif row.is_new or row.changed:
            outcome.rows.append(row)
        else:
            outcome.unchanged += 1
    return outcome


def keep(lines: list[Line], *, name: str, by: Any) -> ImportDraft:
    """Keep the rows until their operator says yes, instead of what was kept for them before."""
    old = ImportDraft.objects.filter(created_at__lt=timezone.now() - DRAFT_LIFETIME)
    (old | ImportDraft.objects.filter(by=by)).delete()
    # A cell that JSON cannot hold, a date, would have been a trouble.
    cells = [[line.number, line.cells] for line in lines]
    return ImportDraft.objects.create(by=by, file_name=name, rows=cells)


@transaction.atomic
def carry_out(draft_id: int, *, by: Any) -> Outcome | None:
    """Write a draft, all of it or nothing; return None when it is not there (any more)."""
    draft = (
        ImportDraft.objects.select_for_update()
        .filter(pk=draft_id, by=by, created_at__gte=timezone.now() - DRAFT_LIFETIME)
        .first()
    )
    if draft is None:
        return None
    lines = [Line(number, cells) for number, cells in draft.rows]
    outcome = check(lines, ProductFinder(lines), by=by)
    if not outcome.troubles:
        write(outcome.rows, by=by, reason=_("Import of %(file)s") % {"file": draft.file_name})
    draft.delete()
    return outcome


def write(rows: list[ImportRow], *, by: Any, reason: str) -> None:
    for row in rows:
        row.write(by=by, reason=reason)
    for is_new, flag in ((True, ADDITION), (False, CHANGE)):
        written = [row.product for row in rows if row.is_new is is_new]
        if written:
            LogEntry.objects.log_actions(by.pk, written, flag, change_message=reason)
