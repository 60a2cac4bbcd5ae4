"""What happens with a file of products: read it, show what it would do, ask, and do that.

1. preview    read the file; do all of it and undo it; say what changed, or what is wrong
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
from import_export.results import Result, RowResult
from tablib import Dataset

from core.spreadsheets import Line, Unreadable, read
from products.models import ImportDraft, Product
from products.spreadsheets import COLUMNS, HEADINGS, ProductRows

# A draft waits so long for its yes.
PATIENCE = timedelta(hours=2)
MAX_SHOWN = 200


@dataclass(frozen=True)
class Told:
    """What one row does: the words of a table's line."""

    number: int
    name: str
    is_new: bool
    changes: list[tuple[str, str, str]]


@dataclass
class Outcome:
    """What a file does, or what is wrong with it."""

    troubles: list[tuple[int, str, str]] = field(default_factory=list)  # row, column, words
    rows: list[Told] = field(default_factory=list)
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
    def shown(self) -> list[Told]:
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
    name = (upload.name or "")[-120:]
    rows = ProductRows(lines, reason=reason(name))
    outcome = told(run(rows, by=by, dry_run=True), rows)
    if not outcome.troubles and outcome.rows:
        outcome.draft = keep(rows, name=name, by=by)
    return outcome


@transaction.atomic
def keep(rows: ProductRows, *, name: str, by: Any) -> ImportDraft:
    """Keep the rows, each with the stock that the operator was shown: a sale comes between."""
    for line, number in zip(rows.lines, rows.numbers, strict=True):
        if number and line.cells.get("stock_seen", "") == "":
            line.cells["stock_seen"] = rows.products[number].stock
    old = ImportDraft.objects.filter(created_at__lt=timezone.now() - PATIENCE)
    (old | ImportDraft.objects.filter(by=by)).delete()
    # A cell that JSON can not hold, a date, would have been a trouble.
    cells = [[line.number, line.cells] for line in rows.lines]
    return ImportDraft.objects.create(by=by, file_name=name, rows=cells)


def reason(file_name: str) -> str:
    return _("Import of %(file)s") % {"file": file_name}


@transaction.atomic
def carry_out(draft_id: int, *, by: Any) -> Outcome | None:
    """Write a draft, all of it or nothing; return None when it is not there (any more)."""
    draft = (
        ImportDraft.objects.select_for_update()
        .filter(pk=draft_id, by=by, created_at__gte=timezone.now() - PATIENCE)
        .first()
    )
    if draft is None:
        return None
    lines = [Line(number, cells) for number, cells in draft.rows]
    rows = ProductRows(lines, reason=reason(draft.file_name))
    result = run(rows, by=by, dry_run=False)
    outcome = told(result, rows)
    if not outcome.troubles:
        log(result, by=by, message=reason(draft.file_name))
    draft.delete()
    return outcome


def run(rows: ProductRows, *, by: Any, dry_run: bool) -> Result:
    """Let import-export do the rows; what it did not expect is raised, as anywhere else."""
    headings = sorted({key for line in rows.lines for key in line.cells})
    dataset = Dataset(headers=headings)
    for line in rows.lines:
        dataset.append([line.cells.get(key, "") for key in headings])
    result = rows.import_data(dataset, dry_run=dry_run, rollback_on_validation_errors=True, user=by)
    for error in [
        *result.base_errors,
        *(e for _row, errors in result.row_errors() for e in errors),
    ]:
        raise error.error
    return result


def told(result: Result, rows: ProductRows) -> Outcome:
    outcome = Outcome(unchanged=result.totals[RowResult.IMPORT_TYPE_SKIP])
    for row in result.invalid_rows:
        number = rows.lines[row.number - 1].number
        for column, messages in row.error_dict.items():
            heading = str(HEADINGS.get(column, ""))
            outcome.troubles += [(number, heading, words) for words in messages]
    for line, row in zip(rows.lines, result.rows, strict=True):
        if row.import_type in (RowResult.IMPORT_TYPE_NEW, RowResult.IMPORT_TYPE_UPDATE):
            outcome.rows.append(Told(line.number, str(row.instance), row.is_new(), row.changes))
    return outcome


def log(result: Result, *, by: Any, message: str) -> None:
    for kind, flag in (
        (RowResult.IMPORT_TYPE_NEW, ADDITION),
        (RowResult.IMPORT_TYPE_UPDATE, CHANGE),
    ):
        written: list[Product] = [row.instance for row in result.rows if row.import_type == kind]
        if written:
            LogEntry.objects.log_actions(by.pk, written, flag, change_message=message)
