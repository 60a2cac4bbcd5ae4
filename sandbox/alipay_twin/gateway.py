"""/gateway.do: from the parameters of a call to its signed answer.

    1. read      address and body into one set of parameters
    2. check     method, app, the public parameters, the signature, the permission, biz_content
    3. act       by the method's name
    4. answer    a node, signed; for a browser's call a redirect to the cashier, or a page of errors

The order of the checks is not documented by Alipay; HTTP's status is 200 whatever is wrong.
"""

from __future__ import annotations

import html
import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from . import bills, keyring, trades, wire
from .accounts import accounts
from .behaviour import rules
from .clock import clock, read_stamp, real_now, stamp
from .faults import OF_TRANSPORT, broken, faults
from .models import Fault, Merchant, Trade, TradeProduct, TradeStatus
from .money import MOST, fen
from .notices import open_id
from .refusals import Refusal, bad_parameter, invalid, missing
from .requestlog import Seen, clipped, requests
from .state import change

logger = logging.getLogger(__name__)

BROWSER_METHODS = {"alipay.trade.page.pay", "alipay.trade.wap.pay"}

#: Methods that Alipay has and this sandbox does not: as if the product had not been signed for.
NOT_PERMITTED = {
    "alipay.trade.pay",
    "alipay.trade.create",
    "alipay.trade.app.pay",
    "alipay.trade.order.settle",
    "alipay.trade.orderinfo.sync",
    "alipay.trade.refund.apply",
    "alipay.trade.page.refund",
    "alipay.fund.trans.uni.transfer",
    "alipay.fund.trans.common.query",
    "alipay.fund.account.query",
    "alipay.system.oauth.token",
    "alipay.user.info.share",
    "alipay.open.auth.token.app",
}

OUT_TRADE_NO = re.compile(r"[A-Za-z0-9_\-]{1,64}", re.ASCII)
STRICT_OUT_TRADE_NO = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
PLAIN_SUBJECT = re.compile(r"[^/=&\U00010000-\U0010ffff]{1,256}")
LONGEST_EXTRAS = {"body": 400, "passback_params": 512, "store_id": 32, "terminal_id": 32}


@dataclass
class Call:
    """One call, as far as it was understood."""

    parameters: dict[str, str]
    charset: str
    address: str
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


@csrf_exempt
@require_http_methods(["GET", "POST"])
def gateway(request: HttpRequest) -> HttpResponse:
    """Answer one call."""
    started = time.perf_counter()
    seen = requests.open(clock.now(), str(request.method))
    try:
        return _answered(request, seen)
    finally:
        seen.milliseconds = round((time.perf_counter() - started) * 1000, 1)
        logger.info("%s %s: %s", seen.method, seen.out_trade_no, seen.verdict)


def _answered(request: HttpRequest, seen: Seen) -> HttpResponse:
    call: Call | None = None
    fault: Fault | None = None
    try:
        call = read(request, seen)
        check(call, seen)
        seen.out_trade_no = out_trade_no_of(call)
        fault = faults.take(
            app_id=call.app.app_id, method=call.method, out_trade_no=seen.out_trade_no
        )
    except Refusal as refusal:
        seen.verdict = f"{refusal.code} {refusal.sub_code}"
        return _refused_by_gateway(request, call, seen, refusal)

    if fault is not None:
        seen.fault = f"{fault.kind} ({fault.when})"
        if fault.when == "before" and fault.kind in OF_TRANSPORT:
            return broken(fault, request)
    try:
        if fault is not None and fault.when == "before":
            refuse_by(fault)
        done = METHODS[call.method](call)
        seen.verdict = "10000"
        if fault is not None and fault.when == "after":
            if fault.kind in OF_TRANSPORT:
                return broken(fault, request)
            refuse_by(fault)
    except Refusal as refusal:
        seen.verdict = f"{refusal.code} {refusal.sub_code}"
        if call.method in BROWSER_METHODS:
            return error_page(request, refusal)
        done = {**refusal.node, **error_fields(call, refusal)}
    if isinstance(done, HttpResponse):
        return done
    return _node(call, done, seen, fault=fault)


def refuse_by(fault: Fault) -> None:
    """Say no because a fault wants it."""
    if fault.kind == "system_error":
        raise Refusal("ACQ.SYSTEM_ERROR", code=fault.code or "40004")
    if fault.kind == "refuse":
        raise Refusal(fault.sub_code, code=fault.code or "40004")
    if fault.kind == "error_response":
        raise Refusal("isp.unknow-error", code=fault.code or "20000")


# -- reading and checking --------------------------------------------------------------------------


def read(request: HttpRequest, seen: Seen) -> Call:
    """Read what was sent, wherever it was put."""
    query = request.META.get("QUERY_STRING", "").encode("latin-1", "replace")
    content_type = request.META.get("CONTENT_TYPE", "")
    try:
        parameters = wire.merged(query, request.body, wire.charset_of(query, content_type))
    except wire.Malformed as name:
        raise invalid("parameter", f"参数 {name} 在地址与正文中不一致") from name
    seen.app_id, seen.method = parameters.get("app_id", ""), parameters.get("method", "")
    seen.parameters = {name: clipped(value) for name, value in parameters.items()}
    # Read in one charset, verified in the one the merchant names: if they differ, Chinese fails.
    charset = wire.CHARSETS.get(parameters.get("charset", "").lower(), "gbk")
    return Call(parameters, charset, request.build_absolute_uri("/").rstrip("/"))


def check(call: Call, seen: Seen) -> None:
    """Refuse what the gateway refuses before any business is done."""
    given = call.parameters
    if not call.method:
        raise missing("method")
    if call.method not in METHODS and call.method not in NOT_PERMITTED:
        raise invalid("method")
    if not given.get("app_id"):
        raise missing("app-id")
    call.merchant = accounts.merchant(given["app_id"])
    if call.merchant is None:
        raise invalid("app-id")
    _check_public_parameters(call)
    _check_signature(call, seen)
    if call.method in NOT_PERMITTED:
        raise Refusal("isv.insufficient-isv-permissions", code="40006")
    call.biz = _biz_content(given.get("biz_content", ""))


def _check_public_parameters(call: Call) -> None:
    given = call.parameters
    if not given.get("sign"):
        raise missing("signature")
    if not given.get("sign_type"):
        raise missing("signature-type")
    known = ("RSA2", "RSA") if rules.behaviour.allow_rsa else ("RSA2",)
    if given["sign_type"] not in known:
        raise invalid("signature-type")
    call.sign_type = given["sign_type"]
    if not given.get("timestamp"):
        raise missing("timestamp")
    told = read_stamp(given["timestamp"])
    skew = rules.behaviour.timestamp_skew
    if told is None:
        raise invalid("timestamp")
    # A merchant lives in real time, however far the sandbox's clock has been turned.
    if skew is not None and abs(told - real_now()) > timedelta(seconds=skew):
        raise invalid("timestamp", "非法的时间戳参数，与北京时间相差过大")
    if not given.get("version"):
        raise missing("version")
    if given["version"] != "1.0":
        raise invalid("parameter", "无效的版本参数")
    if given.get("charset", "").lower() not in wire.CHARSETS:
        raise invalid("charset")
    if given.get("format", "JSON").upper() != "JSON":
        raise invalid("format")
    for name in ("notify_url", "return_url"):
        address = given.get(name, "")
        if address and (len(address) > 256 or not address.startswith(("http://", "https://"))):
            raise invalid("parameter", f"无效的 {name} 参数")


def _check_signature(call: Call, seen: Seen) -> None:
    key = keyring.app_key(call.app.app_public_key)
    texts = [wire.request_string(call.parameters)]
    with_empty = wire.request_string(call.parameters, keep_empty=True)
    if with_empty != texts[0]:
        texts.append(with_empty)  # some clients sign their empty parameters too
    seen.string_verified = clipped(texts[0])
    for text in texts:
        if wire.is_signed(
            text,
            call.parameters["sign"],
            key,
            charset=call.charset,
            sign_type=call.sign_type,
        ):
            seen.string_verified = clipped(text)
            return
    raise Refusal(
        "isv.invalid-signature",
        code="40002",
        words="验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配，"
        "请确认charset参数放在了URL查询字符串中，"
        f"网关生成的验签字符串为：{html.escape(texts[0])}",
    )


def _biz_content(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        biz = json.loads(text, parse_float=Decimal)
        # Half a surrogate pair is JSON, but no text that could be kept or sent.
        json.dumps(biz, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError):
        biz = None
    if not isinstance(biz, dict):
        raise invalid("parameter", "biz_content 不是合法的 JSON 对象")
    return biz


def out_trade_no_of(call: Call) -> str:
    """The merchant's number that a call is about, as far as can be told."""
    number = call.biz.get("out_trade_no")
    if not number and call.biz.get("trade_no"):
        mine = Trade.objects.filter(merchant=call.app, trade_no=str(call.biz["trade_no"])[:64])
        number = mine.values_list("out_trade_no", flat=True).first()
    return str(number or "")[:64]


# -- answering -------------------------------------------------------------------------------------


def _node(
    call: Call, node: dict[str, Any], seen: Seen, *, fault: Fault | None = None, sign: bool = True
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
    seen.string_signed = clipped(text) if signature else ""
    return _sent(wire.envelope(name, text, signature), call.charset)


def _sent(text: str, charset: str) -> HttpResponse:
    told = "utf-8" if charset == "utf-8" else "GBK"
    return HttpResponse(
        text.encode(charset, "replace"),
        content_type=f"{rules.behaviour.content_type};charset={told}",
        headers={"trace_id": secrets.token_hex(16)},
    )


def _refused_by_gateway(
    request: HttpRequest, call: Call | None, seen: Seen, refusal: Refusal
) -> HttpResponse:
    """Tell a gateway's own error in the envelope that Alipay uses for it."""
    if call is not None and call.method in BROWSER_METHODS:
        return error_page(request, refusal, seen.string_verified)
    if call is None or call.method not in METHODS | dict.fromkeys(NOT_PERMITTED):
        text = wire.node_text(refusal.node)
        return _sent(wire.envelope("error_response", text, None), call.charset if call else "utf-8")
    if call.merchant is None:
        text = wire.node_text(refusal.node)
        return _sent(wire.envelope(wire.node_name(call.method), text, None), call.charset)
    if rules.behaviour.gateway_errors == "error_response":
        text = wire.node_text(refusal.node)
        return _sent(wire.envelope("error_response", text, None), call.charset)
    return _node(call, refusal.node, seen, sign=rules.behaviour.sign_gateway_errors)


def error_page(request: HttpRequest, refusal: Refusal, string: str = "") -> HttpResponse:
    """What a browser sees: the code without its prefix, the reason, the verified string."""
    context = {
        "code": refusal.sub_code.partition(".")[2] or refusal.sub_code,
        "sub_code": refusal.sub_code,
        "reason": html.unescape(refusal.words),
        "string": string if refusal.sub_code == "isv.invalid-signature" else "",
    }
    return render(request, "alipay_twin/gateway_error.html", context)


def error_fields(call: Call, refusal: Refusal) -> dict[str, Any]:
    """What some methods add to their refusals."""
    echo = {"out_trade_no": seen} if (seen := str(call.biz.get("out_trade_no") or "")) else {}
    if call.method == "alipay.trade.query":
        nothing = ("buyer_pay_amount", "invoice_amount", "point_amount", "receipt_amount")
        return {**echo, **dict.fromkeys(nothing, "0.00")}
    if call.method == "alipay.trade.refund":
        return {**echo, "refund_fee": "0.00", "send_back_fee": "0.00"}
    return {}


# -- the methods -----------------------------------------------------------------------------------

SUCCESS = {"code": "10000", "msg": "Success"}

PRODUCT_CODES = {
    TradeProduct.PAGE: {"FAST_INSTANT_TRADE_PAY"},
    TradeProduct.WAP: {"QUICK_WAP_WAY", "QUICK_WAP_PAY"},
    TradeProduct.PRECREATE: {"FACE_TO_FACE_PAYMENT", "QR_CODE_OFFLINE", "OFFLINE_PAYMENT", ""},
}


def page_pay(call: Call) -> HttpResponse:
    return _to_the_cashier(call, TradeProduct.PAGE)


def wap_pay(call: Call) -> HttpResponse:
    return _to_the_cashier(call, TradeProduct.WAP)


def _to_the_cashier(call: Call, product: TradeProduct) -> HttpResponse:
    with change():
        trade = trades.request_trade(call.app, terms_of(call, product))
    return HttpResponseRedirect(f"/cashier/{trade.token}/")


def precreate(call: Call) -> dict[str, Any]:
    with change():
        trade = trades.request_trade(call.app, terms_of(call, TradeProduct.PRECREATE))
    return {**SUCCESS, "out_trade_no": trade.out_trade_no, "qr_code": qr_code(trade, call.address)}


def qr_code(trade: Trade, address: str) -> str:
    """What the QR code says: an address that a browser, or the cashier's scan page, can open."""
    is_ours = rules.behaviour.qr_address == "sandbox"
    return f"{address}/cashier/qr/{trade.qr}" if is_ours else f"https://qr.alipay.com/{trade.qr}"


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


def query(call: Call) -> dict[str, Any]:
    trade = _found(call)
    return {**SUCCESS, **trade_fields(trade)}


def trade_fields(trade: Trade) -> dict[str, Any]:
    """What ``alipay.trade.query`` tells of a trade."""
    buyer = trade.owner
    amount = trade.total_amount
    if rules.behaviour.amounts_in_query == "zero" or not trade.is_paid:
        amount = "0.00"
    fields: dict[str, Any] = {
        "trade_no": trade.trade_no,
        "out_trade_no": trade.out_trade_no,
        "buyer_logon_id": buyer.masked,
        "buyer_user_type": "PRIVATE",
        "trade_status": trade.status,
        "total_amount": trade.total_amount,
        "buyer_pay_amount": amount,
        "invoice_amount": amount,
        "receipt_amount": amount,
        "point_amount": "0.00",
        "send_pay_date": stamp(trade.paid_at),
        **buyer_fields(buyer.user_id),
        **{name: trade.extras.get(name, "") for name in ("passback_params", "store_id")},
    }
    if trade.is_paid:
        fields["fund_bill_list"] = [{"amount": trade.total_amount, "fund_channel": "ALIPAYACCOUNT"}]
    return {name: value for name, value in fields.items() if value != ""}


def buyer_fields(user_id: str) -> dict[str, str]:
    """The buyer's name, old or new."""
    if rules.behaviour.buyer_identity == "open_id":
        return {"buyer_open_id": open_id(user_id)}
    return {"buyer_user_id": user_id}


def close(call: Call) -> dict[str, Any]:
    with change():
        trade = _found(call)
        trades.close(trade, why="closed")
    return {**SUCCESS, "trade_no": trade.trade_no, "out_trade_no": trade.out_trade_no}


def cancel(call: Call) -> dict[str, Any]:
    with change():
        try:
            trade = _found(call)
        except Refusal as refusal:
            if refusal.sub_code != "ACQ.TRADE_NOT_EXIST":
                raise
            echo = {"out_trade_no": number} if (number := call.text("out_trade_no")) else {}
            return {**SUCCESS, **echo, "retry_flag": "N"}
        action = trades.cancel(trade)
    return {
        **SUCCESS,
        "trade_no": trade.trade_no,
        "out_trade_no": trade.out_trade_no,
        "retry_flag": "N",
        "action": action,
    }


def refund(call: Call) -> dict[str, Any]:
    number = call.text("out_request_no")
    reason = call.text("refund_reason", 256)
    operator_id = call.text("operator_id", 30)
    amount = call.amount("refund_amount")
    with change():
        trade = _found(call)
        made, moved = trades.refund(
            trade,
            amount=amount,
            out_request_no=number,
            reason=reason,
            operator_id=operator_id,
        )
    buyer = trade.owner
    answer: dict[str, Any] = {
        **SUCCESS,
        "trade_no": trade.trade_no,
        "out_trade_no": trade.out_trade_no,
        "buyer_logon_id": buyer.masked,
        **buyer_fields(buyer.user_id),
        "fund_change": "Y" if moved else "N",
        "refund_fee": trade.refund_fee,
        "gmt_refund_pay": stamp(made.at),
        "send_back_fee": made.refund_amount if moved else "0.00",
    }
    if "refund_detail_item_list" in _options(call):
        answer["refund_detail_item_list"] = detail_items(made.refund_amount)
    return answer


def detail_items(amount: str) -> list[dict[str, str]]:
    """By which way the money went back."""
    return [{"amount": amount, "fund_channel": "ALIPAYACCOUNT", "real_amount": amount}]


def refund_query(call: Call) -> dict[str, Any]:
    number = call.required("out_request_no")
    trade = _found(call)
    made = trade.refunds.filter(out_request_no=number).first()
    if made is None:
        return dict(SUCCESS)
    answer: dict[str, Any] = {
        **SUCCESS,
        "trade_no": trade.trade_no,
        "out_trade_no": trade.out_trade_no,
        "out_request_no": number,
        "total_amount": trade.total_amount,
        "refund_amount": made.refund_amount,
        "refund_status": "REFUND_SUCCESS",
    }
    if made.reason:
        answer["refund_reason"] = made.reason
    options = _options(call)
    if "gmt_refund_pay" in options:
        answer["gmt_refund_pay"] = stamp(made.at)
    if "refund_detail_item_list" in options:
        answer["refund_detail_item_list"] = detail_items(made.refund_amount)
    return answer


def bill(call: Call) -> dict[str, Any]:
    link = bills.link(call.app, call.text("bill_type", 32), call.text("bill_date", 10))
    return {**SUCCESS, "bill_download_url": f"{call.address}{bills.address(link)}"}


def _found(call: Call) -> Trade:
    """The trade that a call is about, if a buyer has opened it."""
    trade_no, out_trade_no = call.text("trade_no"), call.text("out_trade_no")
    if not trade_no and not out_trade_no:
        raise bad_parameter("out_trade_no")
    trade = trades.find(call.app, out_trade_no=out_trade_no, trade_no=trade_no)
    if trade is None or trade.status == TradeStatus.UNBORN:
        raise Refusal("ACQ.TRADE_NOT_EXIST")
    return trade


def _options(call: Call) -> list[Any]:
    options = call.biz.get("query_options")
    return options if isinstance(options, list) else []


METHODS: dict[str, Callable[[Call], Any]] = {
    "alipay.trade.page.pay": page_pay,
    "alipay.trade.wap.pay": wap_pay,
    "alipay.trade.precreate": precreate,
    "alipay.trade.query": query,
    "alipay.trade.close": close,
    "alipay.trade.cancel": cancel,
    "alipay.trade.refund": refund,
    "alipay.trade.fastpay.refund.query": refund_query,
    "alipay.data.dataservice.bill.downloadurl.query": bill,
}
