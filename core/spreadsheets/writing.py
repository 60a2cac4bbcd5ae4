"""How rows become a file that a browser saves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.functional import Promise

from core.spreadsheets import Column
from core.spreadsheets.csv_files import write_csv
from core.spreadsheets.xlsx_files import write_xlsx

CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def table(kind: str, *, name: str, columns: list[Column], rows: Iterable[Any]) -> HttpResponseBase:
    """Answer with the rows as a file of this kind."""
    headings = [str(column.heading) for column in columns]
    cells = ([storable(column.value(row)) for column in columns] for row in rows)
    file_name = f"{name}-{timezone.localtime():%Y%m%d-%H%M}.{kind}"
    if kind == "csv":
        response: HttpResponseBase = StreamingHttpResponse(
            write_csv(headings, cells), content_type=CONTENT_TYPES[kind]
        )
        response["Content-Disposition"] = f'attachment; filename="{file_name}"'
        return response
    return FileResponse(
        write_xlsx(headings, cells),
        as_attachment=True,
        filename=file_name,
        content_type=CONTENT_TYPES[kind],
    )


def storable(value: Any) -> Any:
    """Return what a cell can hold: times are Beijing's, without saying so."""
    if isinstance(value, datetime):
        return timezone.localtime(value).replace(tzinfo=None, microsecond=0)
    if isinstance(value, Promise):
        return str(value)
    return "" if value is None else value
