"""How an answer is written: a node once, signed as that very text; or a page of errors."""

from __future__ import annotations

import html
import secrets
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from .. import keyring, wire
from ..behaviour import rules
from ..models import Fault
from ..refusals import Refusal
from ..requestlog import clipped
from .call import Call
from .methods import BROWSER_METHODS, is_known


def node_response(
    call: Call, node: dict[str, Any], *, fault: Fault | None = None, sign: bool = True
) -> HttpResponse:
    """Write the node once, sign exactly that text, send exactly that text."""
    name = wire.node_name(call.method)
    text = wire.node_text(node)
    kind = fault.kind if fault is not None else ""
    key = keyring.stranger_key() if kind == "wrong_signature" else None
    signature: str | None = None
    if kind == "error_response":
        name = "error_response"
    elif sign and kind != "unsigned":
        key = key or keyring.alipay_key(call.app.app_id)
        signature = wire.signature(text, key, charset=call.charset, sign_type=call.sign_type)
    call.entry.string_signed = clipped(text) if signature else ""
    return _response(wire.envelope(name, text, signature), call.charset)


def _response(text: str, charset: str) -> HttpResponse:
    name = "utf-8" if charset == "utf-8" else "GBK"
    return HttpResponse(
        text.encode(charset, "replace"),
        content_type=f"{rules.behaviour.content_type};charset={name}",
        # Alipay calls it HTML; what a merchant wrote must not become a page of this sandbox.
        headers={
            "trace_id": secrets.token_hex(16),
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )


def refused_by_gateway(request: HttpRequest, call: Call | None, refusal: Refusal) -> HttpResponse:
    """Tell a gateway's own error in the envelope that Alipay uses for it."""
    if call is not None and call.method in BROWSER_METHODS:
        return error_page(request, refusal, call.entry.string_verified)
    text = wire.node_text(refusal.node)
    if call is None or not is_known(call.method):
        charset = call.charset if call else "utf-8"
        return _response(wire.envelope("error_response", text, None), charset)
    if call.merchant is None:
        return _response(wire.envelope(wire.node_name(call.method), text, None), call.charset)
    if rules.behaviour.gateway_errors == "error_response":
        return _response(wire.envelope("error_response", text, None), call.charset)
    return node_response(call, refusal.node, sign=rules.behaviour.sign_gateway_errors)


def error_page(request: HttpRequest, refusal: Refusal, string: str = "") -> HttpResponse:
    """What a browser sees: the code without its prefix, the reason, the verified string."""
    context = {
        "code": refusal.sub_code.partition(".")[2] or refusal.sub_code,
        "sub_code": refusal.sub_code,
        "reason": html.unescape(refusal.sub_msg),
        "string": string if refusal.sub_code == "isv.invalid-signature" else "",
    }
    return render(request, "alipay_twin/gateway_error.html", context)


def error_fields(call: Call, refusal: Refusal) -> dict[str, Any]:
    """What some methods add to their refusals."""
    echo = {"out_trade_no": number} if (number := str(call.biz.get("out_trade_no") or "")) else {}
    if call.method == "alipay.trade.query":
        nothing = ("buyer_pay_amount", "invoice_amount", "point_amount", "receipt_amount")
        return {**echo, **dict.fromkeys(nothing, "0.00")}
    if call.method == "alipay.trade.refund":
        return {**echo, "refund_fee": "0.00", "send_back_fee": "0.00"}
    return {}
