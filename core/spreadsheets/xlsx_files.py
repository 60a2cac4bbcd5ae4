"""An XLSX: a zip of XML, of whose sheets the one that was open is read, and one is written.

It says of each cell what it is, so that a text that begins as a formula does stays a text.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import ParseError

from django.utils.translation import gettext as _
from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils.exceptions import InvalidFileException

from core import spreadsheets
from core.spreadsheets import Unreadable

# openpyxl promises nothing of how it fails on a file that is no workbook.
NO_WORKBOOK = (
    zipfile.BadZipFile,
    InvalidFileException,
    ParseError,
    NotImplementedError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    OSError,
)


def read_xlsx(data: bytes) -> Iterator[list[Any]]:
    """Yield the rows of the sheet that was open when the file was saved."""
    try:
        refuse_bombs(data)
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = book.active
        if sheet is None:
            raise Unreadable(_("This file has no sheet."))
        # The size that a file claims need not be true.
        sheet.reset_dimensions()
        for cells in sheet.iter_rows(max_col=spreadsheets.MAX_COLUMNS + 1, values_only=True):
            yield list(cells)
    except NO_WORKBOOK as trouble:
        raise Unreadable(_("This is not an XLSX file that can be read.")) from trouble


def refuse_bombs(data: bytes) -> None:
    """Raise Unreadable for a small file that would keep whoever reads it busy for long.

    A zip's reader gives no more of a part than it says there is.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        if sum(part.file_size for part in parts.infolist()) > spreadsheets.MAX_UNPACKED:
            raise Unreadable(_("The file is too large when unpacked."))
        for part in parts.infolist():
            if elements(parts, part) > most_elements(part.filename):
                raise Unreadable(_("The file has too many cells or styles."))


def elements(parts: zipfile.ZipFile, part: zipfile.ZipInfo) -> int:
    """Count where a tag begins, or ends, in whatever encoding."""
    with parts.open(part) as opened:
        return sum(piece.count(b"<") for piece in iter(lambda: opened.read(1024 * 1024), b""))


def most_elements(name: str) -> int:
    is_sheet = "worksheets/" in name or "sharedStrings" in name
    # Each begins, and most end.
    return 2 * (spreadsheets.MAX_SHEET_ELEMENTS if is_sheet else spreadsheets.MAX_ELEMENTS)


def write_xlsx(headings: list[str], rows: Iterable[list[Any]]) -> io.BytesIO:
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
