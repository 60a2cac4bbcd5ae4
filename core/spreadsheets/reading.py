"""How an uploaded file becomes lines, a cell for each heading; Unreadable says why it does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import override

from core import spreadsheets
from core.spreadsheets import Column, Line, Unreadable
from core.spreadsheets.csv_files import read_csv
from core.spreadsheets.xlsx_files import read_xlsx


def read(upload: UploadedFile, columns: Iterable[Column]) -> list[Line]:
    """Return the rows of a CSV or an XLSX that hold anything, or raise Unreadable."""
    if (upload.size or 0) > spreadsheets.MAX_FILE:
        most = spreadsheets.MAX_FILE >> 20
        raise Unreadable(_("The file is larger than %(most)s MB.") % {"most": most})
    data = upload.read()
    records = read_xlsx(data) if data.startswith(b"PK") else read_csv(data)
    numbered = enumerate(records, 1)
    keys = known_keys(next(filled(numbered), (0, []))[1], list(columns))
    lines = [line(number, cells, keys) for number, cells in filled(numbered)]
    if not lines:
        raise Unreadable(_("The file has no rows below its headings."))
    return lines


def filled(numbered: Iterable[tuple[int, list[Any]]]) -> Iterator[tuple[int, list[Any]]]:
    """Leave out rows in which nothing stands: spreadsheets love to append them."""
    found, most = 0, spreadsheets.MAX_ROWS
    for number, cells in numbered:
        if any(cell not in (None, "") for cell in cells):
            found += 1
            yield number, cells
        if found > most or number - found > most:
            raise Unreadable(
                _("The file has more than %(most)s rows; cut it in pieces.") % {"most": most}
            )


def known_keys(headings: list[Any], columns: list[Column]) -> list[str]:
    """Return whose heading each one is; one without a text has no cells either."""
    while headings and not normalized(headings[-1]):
        headings.pop()
    if len(headings) > spreadsheets.MAX_COLUMNS:
        raise Unreadable(_("The file has too many columns."))
    keys: list[str] = []
    for heading in headings:
        mine = next((column.key for column in columns if normalized(heading) in names(column)), "")
        if not mine:
            raise Unreadable(
                _("Unknown heading “%(heading)s”. Known are: %(known)s.")
                % {
                    "heading": str(heading or "")[:60],
                    "known": ", ".join(str(column.heading) for column in columns),
                }
            )
        if mine in keys:
            raise Unreadable(_("The heading “%(heading)s” is there twice.") % {"heading": heading})
        keys.append(mine)
    return keys


def names(column: Column) -> set[str]:
    """Return every heading by which a column is known."""
    found = {column.key}
    for language, _name in settings.LANGUAGES:
        with override(language):
            found.add(str(column.heading))
    return {normalized(name) for name in found}


def normalized(heading: Any) -> str:
    return str(heading or "").strip().replace("（", "(").replace("）", ")").casefold()


def line(number: int, cells: list[Any], keys: list[str]) -> Line:
    if any(cell not in (None, "") for cell in cells[len(keys) :]):
        raise Unreadable(
            _("Row %(number)s has more cells than there are headings.") % {"number": number}
        )
    return Line(
        number, {key: stripped(cell) for key, cell in zip(keys, cells, strict=False) if key}
    )


def stripped(cell: Any) -> Any:
    return cell.strip() if isinstance(cell, str) else "" if cell is None else cell
