"""What a merchant asks for when it asks for a trade."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from .. import trades
from ..behaviour import rules
from ..clock import clock, read_stamp
from ..models import TradeProduct
from ..money import MOST, fen
from ..refusals import Refusal, bad_parameter
from .call import Call

OUT_TRADE_NO = re.compile(r"[A-Za-z0-9_\-]{1,64}", re.ASCII)
STRICT_OUT_TRADE_NO = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
PLAIN_SUBJECT = re.compile(r"[^/=&\U00010000-\U0010ffff]{1,256}")
LONGEST_EXTRAS = {"body": 400, "passback_params": 512, "store_id": 32, "terminal_id": 32}

PRODUCT_CODES = {
    TradeProduct.PAGE: {"FAST_INSTANT_TRADE_PAY"},
    TradeProduct.WAP: {"QUICK_WAP_WAY", "QUICK_WAP_PAY"},
    TradeProduct.PRECREATE: {"FACE_TO_FACE_PAYMENT", "QR_CODE_OFFLINE", "OFFLINE_PAYMENT", ""},
}


def terms_of(call: Call, product: TradeProduct) -> trades.Terms:
    """Read and check what a merchant asks for."""
    out_trade_no = call.required("out_trade_no")
    allowed = STRICT_OUT_TRADE_NO if rules.behaviour.strict_out_trade_no else OUT_TRADE_NO
    if not allowed.fullmatch(out_trade_no):
        raise bad_parameter("out_trade_no")
    total = fen(call.biz.get("total_amount"))
    if total is None:
        raise _too_much_or_malformed(call.biz.get("total_amount"))
    subject = call.required("subject", 256)
    if rules.behaviour.strict_subject and not PLAIN_SUBJECT.fullmatch(subject):
        raise bad_parameter("subject")
    if call.text("product_code") not in PRODUCT_CODES[product]:
        raise bad_parameter("product_code")
    timeouts = [call.text("timeout_express", 6), call.text("qr_code_timeout_express", 6)]
    if not all(trades.is_timeout(timeout) for timeout in timeouts if timeout):
        raise bad_parameter("timeout_express")
    return trades.Terms(
        product=product,
        out_trade_no=out_trade_no,
        total=total,
        subject=subject,
        extras={name: call.text(name, longest) for name, longest in LONGEST_EXTRAS.items()},
        notify_url=call.parameters.get("notify_url", ""),
        return_url=call.parameters.get("return_url", ""),
        quit_url=_address(call.text("quit_url", 400)),
        charset="utf-8" if call.charset == "utf-8" else "GBK",
        time_expire=_time_expire(call.text("time_expire", 32), product),
        timeout=timeouts[0],
        qr_timeout=timeouts[1],
    )


def _too_much_or_malformed(amount: Any) -> Refusal:
    try:
        is_too_much = not isinstance(amount, bool) and Decimal(str(amount)) * 100 > MOST
    except ArithmeticError:
        is_too_much = False
    return Refusal("ACQ.TOTAL_FEE_EXCEED") if is_too_much else bad_parameter("total_amount")


def _address(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise bad_parameter("quit_url")
    return text


def _time_expire(text: str, product: TradeProduct) -> datetime | None:
    if not text:
        return None
    instant = read_stamp(text)
    now = clock.now()
    if instant is None or instant > now + trades.LONGEST_WAIT:
        raise bad_parameter("time_expire")
    if instant <= now + timedelta(seconds=rules.behaviour.time_expire_at_least):
        if product == TradeProduct.PRECREATE:
            raise Refusal("ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR")
        raise bad_parameter("time_expire")
    return instant
