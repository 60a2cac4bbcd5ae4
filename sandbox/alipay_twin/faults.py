"""What is made to go wrong: which calls, how, how often, and before or after the work is done.

After the work means that the answer is lost although the money has moved: the hard case.
"""

from __future__ import annotations

import time
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from pydantic import Field

from .behaviour import Strict
from .models import Fault
from .state import change

KINDS = Literal[
    "timeout",
    "http_500",
    "html",
    "reset",
    "unsigned",
    "wrong_signature",
    "system_error",
    "error_response",
    "refuse",
]

#: Faults of the transport, which leave no Alipay answer at all.
OF_TRANSPORT = {"timeout", "http_500", "html", "reset"}

HTML_PAGE = (
    "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head>"
    "<body><center><h1>502 Bad Gateway</h1></center><hr><center>Tengine</center></body></html>"
)


class FaultIn(Strict):
    """One fault. What is left out fits every call."""

    kind: KINDS = Field(description="what goes wrong")
    when: Literal["before", "after"] = Field(
        "before", description="before the work is done, or after it: then only the answer suffers"
    )
    times: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="for the next so many fitting calls; null: until it is taken away"
    )
    method: str = Field("", max_length=128, description="alipay.trade.query and so on")
    app_id: str = Field("", max_length=32)
    out_trade_no: str = Field("", max_length=64)
    seconds: float = Field(20, ge=0, le=600, description="how long a timeout lasts")
    code: str = Field("", max_length=8, description="of system_error and refuse; usually 40004")
    sub_code: str = Field("", max_length=64, description="of refuse: ACQ.EXIST_FORBIDDEN_WORD, say")


class Faults:
    """The faults in force, in memory too: most calls ask, and mostly there are none."""

    def __init__(self) -> None:
        self._set: list[Fault] = []

    def load(self) -> None:
        """Read what is kept."""
        self._set = list(Fault.objects.all())

    def replace(self, wanted: list[FaultIn]) -> None:
        """These faults and no others."""
        with change():
            Fault.objects.all().delete()
            self.add(wanted)

    def add(self, wanted: list[FaultIn]) -> None:
        """These faults too."""
        with change():
            for fault in wanted:
                Fault.objects.create(**fault.model_dump())
            self.load()

    def take(self, *, app_id: str, method: str, out_trade_no: str) -> Fault | None:
        """The first fault that fits this call; it is used up by one."""
        if not self._set:
            return None
        with change():
            for fault in self._set:
                fits = (
                    fault.app_id in ("", app_id)
                    and fault.method in ("", method)
                    and fault.out_trade_no in ("", out_trade_no)
                )
                if fits and (fault.times is None or fault.used < fault.times):
                    fault.used += 1
                    fault.save(update_fields=["used"])
                    return fault
        return None


faults = Faults()


def broken(fault: Fault, request: HttpRequest) -> HttpResponse:
    """Answer as a broken transport does."""
    if fault.kind == "http_500":
        response = HttpResponse("Internal Server Error", status=500, content_type="text/plain")
        response._has_been_logged = True  # type: ignore[attr-defined] # it is wanted: no alarm
        return response
    if fault.kind == "html":
        return HttpResponse(HTML_PAGE, content_type="text/html;charset=utf-8")
    if fault.kind == "timeout":
        time.sleep(fault.seconds)
    request.environ["alipay_twin.hang_up"] = fault.kind  # type: ignore[attr-defined]
    return HttpResponse()
