"""Tables that leave for a spreadsheet, and come back from one.

Two kinds of file, CSV and XLSX. A column has a key and a heading: the heading, in the operator's
language, is what is written; the key, or the heading in any language of the shop, is what is read.

    reading     a file into lines, a cell for each heading that is known
    cells       what a cell says: a number however it was typed, a text
    writing     rows into a file
    csv_files   a CSV as Excel reads and writes it
    xlsx_files  an XLSX
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

KINDS = ("xlsx", "csv")
MAX_FILE = 2 * 1024 * 1024  # bytes
MAX_UNPACKED = 32 * 1024 * 1024  # bytes; an XLSX is a zip
# XML elements of a sheet, or of its strings; and of each other part, styles and names among them.
MAX_SHEET_ELEMENTS = 600_000
MAX_ELEMENTS = 40_000
MAX_ROWS = 2_000  # that are read; and so many blank ones between them
MAX_COLUMNS = 60
MAX_WRITTEN = 50_000  # rows


class Unreadable(Exception):
    """A file that cannot be read as a table; the words say why."""


@dataclass(frozen=True)
class Column:
    key: str
    heading: str | Promise
    value: Callable[[Any], Any]


@dataclass(frozen=True)
class Line:
    """A row of a file, and which one it is, as a spreadsheet counts them."""

    number: int
    cells: dict[str, Any]
