"""/gateway.do itself: read, check, act, answer; and the faults between them."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from ..clock import clock
from ..faults import OF_TRANSPORT, broken, faults
from ..models import Fault, Trade
from ..refusals import Refusal
from ..requestlog import LogEntry, requests
from .answers import error_fields, error_page, node_response, refused_by_gateway
from .call import Call, read
from .checks import check
from .methods import BROWSER_METHODS, METHODS

logger = logging.getLogger(__name__)


@csrf_exempt
@require_http_methods(["GET", "POST"])
def gateway(request: HttpRequest) -> HttpResponse:
    """Answer one call."""
    started = time.perf_counter()
    entry = requests.open(clock.now(), str(request.method))
    try:
        return _answer(request, entry)
    finally:
        entry.milliseconds = round((time.perf_counter() - started) * 1000, 1)
        logger.info("%s %s: %s", entry.method, entry.out_trade_no, entry.verdict)


def _answer(request: HttpRequest, entry: LogEntry) -> HttpResponse:
    call: Call | None = None
    try:
        call = read(request, entry)
        check(call)
        entry.out_trade_no = out_trade_no_of(call)
        fault = faults.take(
            app_id=call.app.app_id, method=call.method, out_trade_no=entry.out_trade_no
        )
    except Refusal as refusal:
        entry.verdict = f"{refusal.code} {refusal.sub_code}"
        return refused_by_gateway(request, call, refusal)

    if fault is not None:
        entry.fault = f"{fault.kind} ({fault.when})"
        if fault.when == "before" and fault.kind in OF_TRANSPORT:
            return broken(fault, request)
    try:
        answer = _act(call, fault)
        entry.verdict = "10000"
    except Refusal as refusal:
        entry.verdict = f"{refusal.code} {refusal.sub_code}"
        if call.method in BROWSER_METHODS:
            return error_page(request, refusal)
        answer = {**refusal.node, **error_fields(call, refusal)}
    else:
        if fault is not None and fault.when == "after" and fault.kind in OF_TRANSPORT:
            return broken(fault, request)
    return answer if isinstance(answer, HttpResponse) else node_response(call, answer, fault=fault)


def _act(call: Call, fault: Fault | None) -> Any:
    """Do what the method is for, unless a fault refuses it; refuse afterwards if one says so."""
    if fault is not None and fault.when == "before":
        refuse_by(fault)
    answer = METHODS[call.method](call)
    if fault is not None and fault.when == "after":
        refuse_by(fault)
    return answer


def refuse_by(fault: Fault) -> None:
    """Say no because a fault wants it."""
    if fault.kind == "system_error":
        raise Refusal("ACQ.SYSTEM_ERROR", code=fault.code or "40004")
    if fault.kind == "refuse":
        raise Refusal(fault.sub_code, code=fault.code or "40004")
    if fault.kind == "error_response":
        raise Refusal("isp.unknow-error", code=fault.code or "20000")


def out_trade_no_of(call: Call) -> str:
    """The merchant's number that a call is about, as far as can be told."""
    number = call.biz.get("out_trade_no")
    if not number and call.biz.get("trade_no"):
        mine = Trade.objects.filter(merchant=call.app, trade_no=str(call.biz["trade_no"])[:64])
        number = mine.values_list("out_trade_no", flat=True).first()
    return str(number or "")[:64]
