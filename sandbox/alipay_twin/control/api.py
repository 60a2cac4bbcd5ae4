"""The API itself: its routers by name, its refusals, its documents from this machine."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.operation import Operation
from ninja.renderers import JSONRenderer

from .. import __version__
from .errors import HANDLERS


class ControlAPI(NinjaAPI):
    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The name that generated clients know it by, in whatever module it lies."""
        return f"sandbox_control_{operation.view_func.__name__}"


class Readable(JSONRenderer):
    """JSON in which Chinese stays Chinese."""

    json_dumps_params: dict[str, Any] = {"ensure_ascii": False}


api = ControlAPI(
    title="Alipay sandbox: control API",
    version=__version__,
    description="What buyers, time and bad luck do, for tests. Money is text in yuan; times are "
    "RFC 3339 by the sandbox's clock, in Beijing.",
    urls_namespace="control",
    docs_url="/docs",
    renderer=Readable(),
)
for tag in ("trades", "notices", "faults", "clock", "merchants", "settings", "sandbox"):
    api.add_router("", f"alipay_twin.control.{tag}.router", tags=[tag])
for exception, handler in HANDLERS.items():
    api.add_exception_handler(exception, handler)
