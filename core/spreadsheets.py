"""Tables that leave for a spreadsheet, and come back from one.

Two kinds of file, CSV and XLSX. A column has a key and a heading: the heading, in the operator's
language, is what is written; the key, or the heading in any language of the shop, is what is read.

What is written can not run: a text that begins as a formula does stays a text. In a CSV it gets an
apostrophe before it, as in Excel itself, and reading takes it off again; an XLSX says of each cell
what it is.
"""

from __future__ import annotations

import csv
import io
import math
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import ParseError

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import override
from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils.exceptions import InvalidFileException

KINDS = ("xlsx", "csv")
MAX_FILE = 2 * 1024 * 1024  # bytes
MAX_UNPACKED = 50 * 1024 * 1024  # bytes; an XLSX is a zip
MAX_ROWS = 2_000  # that are read; and so many blank ones between them
MAX_COLUMNS = 60
MAX_WRITTEN = 50_000  # rows

CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
DIGITS_OF_EXCEL = 15
# What makes Excel, LibreOffice and WPS take a cell of a CSV for a formula.
FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
# Where a comma is a decimal point, 9,90 is no 990.
IN_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")


class Unreadable(Exception):
    """A file that can not be read as a table; the words say why."""


@dataclass(frozen=True)
class Column:
    key: str
    heading: str | Promise
    value: Callable[[Any], Any]

    def answers_to(self) -> set[str]:
        """Return every heading by which the column is known."""
        names = {self.key}
        for language, _name in settings.LANGUAGES:
            with override(language):
                names.add(str(self.heading))
        return {plain(name) for name in names}


@dataclass(frozen=True)
class Line:
    """A row of a file, and which one it is, as a spreadsheet counts them."""

    number: int
    cells: dict[str, Any]


def plain(heading: Any) -> str:
    return str(heading or "").strip().replace("（", "(").replace("）", ")").casefold()


# Reading


def read(upload: UploadedFile, columns: Iterable[Column]) -> list[Line]:
    """Return the rows of a CSV or an XLSX that hold anything, or raise Unreadable."""
    if (upload.size or 0) > MAX_FILE:
        raise Unreadable(_("The file is larger than %(most)s MB.") % {"most": MAX_FILE >> 20})
    data = upload.read()
    records = xlsx_records(data) if data.startswith(b"PK") else csv_records(data)
    try:
        numbered = enumerate(records, 1)
        keys = known_keys(next(filled(numbered), (0, []))[1], list(columns))
        lines = [line(number, cells, keys) for number, cells in filled(numbered)]
    except csv.Error as trouble:
        raise Unreadable(_("This is no proper CSV: %(why)s.") % {"why": trouble}) from trouble
    if not lines:
        raise Unreadable(_("The file has no rows below its headings."))
    return lines


def filled(numbered: Iterable[tuple[int, list[Any]]]) -> Iterator[tuple[int, list[Any]]]:
    """Leave out rows in which nothing stands: spreadsheets love to append them."""
    found = 0
    for number, cells in numbered:
        if any(cell not in (None, "") for cell in cells):
            found += 1
            yield number, cells
        if found > MAX_ROWS or number - found > MAX_ROWS:
            raise Unreadable(
                _("The file has more than %(most)s rows; cut it in pieces.") % {"most": MAX_ROWS}
            )


def line(number: int, cells: list[Any], keys: list[str]) -> Line:
    if any(cell not in (None, "") for cell in cells[len(keys) :]):
        raise Unreadable(
            _("Row %(number)s has more cells than there are headings.") % {"number": number}
        )
    return Line(
        number, {key: as_meant(cell) for key, cell in zip(keys, cells, strict=False) if key}
    )


def known_keys(headings: list[Any], columns: list[Column]) -> list[str]:
    """Return whose heading each one is; one without a text has no cells either."""
    while headings and not plain(headings[-1]):
        headings.pop()
    if len(headings) > MAX_COLUMNS:
        raise Unreadable(_("The file has too many columns."))
    keys: list[str] = []
    for heading in headings:
        mine = next((column.key for column in columns if plain(heading) in column.answers_to()), "")
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


def as_meant(cell: Any) -> Any:
    return cell.strip() if isinstance(cell, str) else "" if cell is None else cell


def csv_records(data: bytes) -> Iterator[list[Any]]:
    text = decoded(data)
    if "\0" in text:
        raise Unreadable(_("This is neither a CSV nor an XLSX file."))
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    yield from ([disarmed(cell) for cell in cells] for cells in records)


def disarmed(cell: str) -> str:
    """Take off the apostrophe that only kept a text from being a formula."""
    return cell[1:] if cell.startswith("'") and is_formula(cell) else cell


def is_formula(cell: str) -> bool:
    return cell.lstrip(" '").startswith(FORMULA_BEGINS)


def decoded(data: bytes) -> str:
    """Return the text: UTF-8 with or without its mark, or what Chinese Excel on Windows writes."""
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ["utf-16"] if marked else ["utf-8-sig", "gb18030"]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unreadable(_("This is neither a CSV nor an XLSX file."))


def xlsx_records(data: bytes) -> Iterator[list[Any]]:
    """Yield the rows of the sheet that was open when the file was saved."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            if sum(part.file_size for part in parts.infolist()) > MAX_UNPACKED:
                raise Unreadable(_("The file is too large when unpacked."))
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = book.active
        if sheet is None:
            raise Unreadable(_("This file has no sheet."))
        # The size that a file claims need not be true.
        sheet.reset_dimensions()
        for cells in sheet.iter_rows(max_col=MAX_COLUMNS + 1, values_only=True):
            yield list(cells)
    except (
        *(zipfile.BadZipFile, InvalidFileException, ParseError, NotImplementedError),
        *(KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError, OSError),
    ) as trouble:
        # openpyxl promises nothing of how it fails on a file that is no workbook.
        raise Unreadable(_("This is not an XLSX file that can be read.")) from trouble


# Reading a cell: each raises ValueError with words


def number(cell: Any) -> Decimal | None:
    """Return a number however it was typed: ``9.9``, ``"9.90"``, ``"¥1,234.50"``, ``"９.９"``."""
    if cell == "":
        return None
    if isinstance(cell, bool):
        raise ValueError(_("This is not a number."))
    if isinstance(cell, int | float) and math.isfinite(cell):
        # Excel keeps 9.9 as 9.9000000000000004; what was meant has few decimals.
        return Decimal(repr(round(cell, 6)))
    text = str(cell).translate(TO_HALF_WIDTH)
    text = re.sub(r"^['¥￥]|元$|\s", "", text)
    if IN_THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if not NUMBER.fullmatch(text) or len(text) > 30:
        raise ValueError(_("“%(cell)s” is not a number.") % {"cell": str(cell)[:40]})
    return Decimal(text)


TO_HALF_WIDTH = {ord(wide): chr(ord(wide) - 0xFEE0) for wide in "０１２３４５６７８９．，－＋"}


def whole_number(cell: Any) -> int | None:
    found = number(cell)
    if found is not None and found != found.to_integral_value():
        raise ValueError(_("“%(cell)s” is not a whole number.") % {"cell": str(cell)[:40]})
    return None if found is None else int(found)


def text(cell: Any) -> str:
    """Return a text, of a cell that Excel took for a number too."""
    if not isinstance(cell, str | int | float):
        raise ValueError(_("This cell became a date; let it be a text."))
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if "\0" in str(cell):
        raise ValueError(_("This text holds a character that cannot be kept."))
    return str(cell)


# Writing


def table(kind: str, *, name: str, columns: list[Column], rows: Iterable[Any]) -> HttpResponseBase:
    """Answer with the rows as a file of this kind."""
    headings = [str(column.heading) for column in columns]
    cells = ([of_now(column.value(row)) for column in columns] for row in rows)
    file_name = f"{name}-{timezone.localtime():%Y%m%d-%H%M}.{kind}"
    if kind == "csv":
        response: HttpResponseBase = StreamingHttpResponse(
            csv_lines(headings, cells), content_type=CONTENT_TYPES[kind]
        )
        response["Content-Disposition"] = f'attachment; filename="{file_name}"'
        return response
    return FileResponse(
        xlsx(headings, cells),
        as_attachment=True,
        filename=file_name,
        content_type=CONTENT_TYPES[kind],
    )


def of_now(value: Any) -> Any:
    """Return what a cell can hold: times are Beijing's, without saying so."""
    if isinstance(value, datetime):
        return timezone.localtime(value).replace(tzinfo=None, microsecond=0)
    if isinstance(value, Promise):
        return str(value)
    return "" if value is None else value


def csv_lines(headings: list[str], rows: Iterable[list[Any]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    # The mark tells Excel that this is UTF-8.
    buffer.write("\ufeff")
    for cells in [headings], rows:
        for row in cells:
            writer.writerow([harmless(cell) for cell in row])
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()


def harmless(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    if is_formula(cell):
        return f"'{cell}"
    # A tab keeps Excel from rounding a long number, as in Alipay's own bills.
    return f"{cell}\t" if cell.isdecimal() and len(cell) > DIGITS_OF_EXCEL else cell


def xlsx(headings: list[str], rows: Iterable[list[Any]]) -> io.BytesIO:
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.freeze_panes = "A2"
    for index, heading in enumerate(headings):
        letter = chr(ord("A") + index)
        sheet.column_dimensions[letter].width = max(12, min(40, len(heading.encode()) + 2))
    sheet.append([as_cell(sheet, heading, bold=True) for heading in headings])
    for row in rows:
        sheet.append([as_cell(sheet, value) for value in row])
    data = io.BytesIO()
    book.save(data)
    data.seek(0)
    return data


def as_cell(sheet: Any, value: Any, *, bold: bool = False) -> Any:
    if isinstance(value, str):
        value = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value)
    made = WriteOnlyCell(sheet, value)
    if isinstance(value, str):
        made.data_type = "s"  # and never a formula
    elif isinstance(value, Decimal):
        made.number_format = "0.00"
    elif isinstance(value, datetime):
        made.number_format = "yyyy-mm-dd hh:mm:ss"
    if bold:
        made.font = Font(bold=True)
    return made
