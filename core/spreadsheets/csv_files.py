"""A CSV as Excel, LibreOffice and WPS read and write it, of which nothing can run.

A text that begins as a formula does stays a text: it gets an apostrophe before it, as in Excel
itself, and reading takes it off again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from django.utils.translation import gettext as _

from core.spreadsheets import Unreadable

DIGITS_OF_EXCEL = 15
# What makes Excel, LibreOffice and WPS take a cell of a CSV for a formula.
FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def read_csv(data: bytes) -> Iterator[list[Any]]:
    text = decoded(data)
    if "\0" in text:
        raise Unreadable(_("This is neither a CSV nor an XLSX file."))
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in records:
            yield [without_apostrophe(cell) for cell in cells]
    except csv.Error as trouble:
        raise Unreadable(_("This is no proper CSV: %(why)s.") % {"why": trouble}) from trouble


def decoded(data: bytes) -> str:
    """Return the text: UTF-8 with or without its mark, or what Chinese Excel on Windows writes."""
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ["utf-16"] if marked else ["utf-8-sig", "gb18030"]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unreadable(_("This is neither a CSV nor an XLSX file."))


def write_csv(headings: list[str], rows: Iterable[list[Any]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    # The mark tells Excel that this is UTF-8.
    buffer.write("\ufeff")
    for cells in [headings], rows:
        for row in cells:
            writer.writerow([with_apostrophe(cell) for cell in row])
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()


def without_apostrophe(cell: str) -> str:
    """Take off the apostrophe that only kept a text from being a formula."""
    return cell[1:] if cell.startswith("'") and is_formula(cell) else cell


def with_apostrophe(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    if is_formula(cell):
        return f"'{cell}"
    # A tab keeps Excel from rounding a long number, as in Alipay's own bills.
    return f"{cell}\t" if cell.isdecimal() and len(cell) > DIGITS_OF_EXCEL else cell


def is_formula(cell: str) -> bool:
    return cell.lstrip(" '").startswith(FORMULA_BEGINS)
