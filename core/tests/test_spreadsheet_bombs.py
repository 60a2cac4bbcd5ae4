"""Small spreadsheets that would keep a worker busy for a minute are refused unread."""

import io
import zipfile
from collections.abc import Callable

import pytest
from openpyxl import Workbook

from core.spreadsheets import Unreadable
from core.spreadsheets.xlsx_files import read_xlsx

Change = Callable[[bytes], bytes]


def spreadsheet(part: str = "", change: Change = bytes) -> bytes:
    """Return a spreadsheet of two rows, a part of it changed."""
    book, whole = Workbook(), io.BytesIO()
    book.active.append(["SKU", "name"])
    book.active.append(["1", "tea"])
    book.save(whole)
    changed = io.BytesIO()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name == part else content)
    return changed.getvalue()


def before(end: bytes, more: bytes) -> Change:
    return lambda content: content.replace(end, more + end)


BOMBS = {
    "styles": (
        "xl/styles.xml",
        before(b"</cellXfs>", b"<xf><alignment/></xf>" * 60_000),
    ),
    "fonts": ("xl/styles.xml", before(b"</fonts>", b"<font><b/></font>" * 300_000)),
    "cells": ("xl/worksheets/sheet1.xml", before(b"</sheetData>", b"<row>" + b"<c/>" * 2_000_000)),
    "rows": ("xl/worksheets/sheet1.xml", before(b"</sheetData>", b"<row/>" * 2_000_000)),
    "names": ("xl/workbook.xml", before(b"</sheets>", b'<definedName name="a"/>' * 100_000)),
    "utf-16": ("xl/styles.xml", lambda content: ("<a/>" * 100_000).encode("utf-16")),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused(bomb: str) -> None:
    data = spreadsheet(*BOMBS[bomb])
    assert len(data) < 100_000

    with pytest.raises(Unreadable, match=r"单元格|cells"):
        list(read_xlsx(data))


def test_what_is_too_large_unpacked_is_refused() -> None:
    data = spreadsheet("docProps/app.xml", lambda content: bytes(40 * 1024 * 1024))

    with pytest.raises(Unreadable):
        list(read_xlsx(data))


def test_a_full_table_is_read() -> None:
    cell = b'<c t="inlineStr"><is><t>tea</t></is></c>'
    row = b"<row>" + cell * 60 + b"</row>"
    data = spreadsheet("xl/worksheets/sheet1.xml", before(b"</sheetData>", row * 2_000))

    assert len(list(read_xlsx(data))) == 2_002
