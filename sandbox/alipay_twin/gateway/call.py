"""One call: its parameters read from wherever they were put, and its fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from .. import wire
from ..models import Merchant
from ..money import fen
from ..refusals import bad_parameter, invalid
from ..requestlog import LogEntry, clipped


@dataclass
class Call:
    """One call, as far as it was understood."""

    parameters: dict[str, str]
    charset: str
    address: str
    entry: LogEntry
    merchant: Merchant | None = None
    sign_type: str = "RSA2"
    biz: dict[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> str:
        return self.parameters.get("method", "")

    @property
    def app(self) -> Merchant:
        if self.merchant is None:
            raise LookupError("the app is not known yet")
        return self.merchant

    def text(self, name: str, longest: int = 64) -> str:
        """A field of biz_content as text; "" if it was not sent."""
        value = self.biz.get(name)
        if value is None or value == "":
            return ""
        if isinstance(value, (bool, dict, list)) or len(str(value)) > longest:
            raise bad_parameter(name)
        return str(value)

    def required(self, name: str, longest: int = 64) -> str:
        value = self.text(name, longest)
        if not value:
            raise bad_parameter(name)
        return value

    def amount(self, name: str) -> int:
        """A field of biz_content as money."""
        amount = fen(self.biz.get(name))
        if amount is None:
            raise bad_parameter(name)
        return amount


def read(request: HttpRequest, entry: LogEntry) -> Call:
    """Read what was sent, wherever it was put."""
    query = request.META.get("QUERY_STRING", "").encode("latin-1", "replace")
    content_type = request.META.get("CONTENT_TYPE", "")
    try:
        parameters = wire.merged(query, request.body, wire.charset_of(query, content_type))
    except wire.Malformed as name:
        raise invalid("parameter", f"参数 {name} 在地址与正文中不一致") from name
    entry.app_id, entry.method = parameters.get("app_id", ""), parameters.get("method", "")
    entry.parameters = {name: clipped(value) for name, value in parameters.items()}
    # Read in one charset, verified in the one the merchant names: if they differ, Chinese fails.
    charset = wire.CHARSETS.get(parameters.get("charset", "").lower(), "gbk")
    return Call(parameters, charset, request.build_absolute_uri("/").rstrip("/"), entry)
