"""The methods: what each does, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from .. import trades
from ..behaviour import rules
from ..bills import links
from ..clock import stamp
from ..models import Trade, TradeProduct, TradeStatus
from ..notices import open_id
from ..refusals import Refusal, bad_parameter
from ..state import change
from .call import Call
from .terms import terms_of

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

SUCCESS = {"code": "10000", "msg": "Success"}


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


def query(call: Call) -> dict[str, Any]:
    trade = _find_trade(call)
    return {**SUCCESS, **trade_fields(trade)}


def trade_fields(trade: Trade) -> dict[str, Any]:
    """What ``alipay.trade.query`` tells of a trade."""
    buyer = trade.opened_by
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
        trade = _find_trade(call)
        trades.close(trade, why="closed")
    return {**SUCCESS, "trade_no": trade.trade_no, "out_trade_no": trade.out_trade_no}


def cancel(call: Call) -> dict[str, Any]:
    with change():
        try:
            trade = _find_trade(call)
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
        trade = _find_trade(call)
        made, moved = trades.refund(
            trade,
            amount=amount,
            out_request_no=number,
            reason=reason,
            operator_id=operator_id,
        )
    buyer = trade.opened_by
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
    if "refund_detail_item_list" in _query_options(call):
        answer["refund_detail_item_list"] = detail_items(made.refund_amount)
    return answer


def detail_items(amount: str) -> list[dict[str, str]]:
    """By which way the money went back."""
    return [{"amount": amount, "fund_channel": "ALIPAYACCOUNT", "real_amount": amount}]


def refund_query(call: Call) -> dict[str, Any]:
    number = call.required("out_request_no")
    trade = _find_trade(call)
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
    options = _query_options(call)
    if "gmt_refund_pay" in options:
        answer["gmt_refund_pay"] = stamp(made.at)
    if "refund_detail_item_list" in options:
        answer["refund_detail_item_list"] = detail_items(made.refund_amount)
    return answer


def bill(call: Call) -> dict[str, Any]:
    link = links.make_link(call.app, call.text("bill_type", 32), call.text("bill_date", 10))
    return {**SUCCESS, "bill_download_url": f"{call.address}{links.address(link)}"}


def _find_trade(call: Call) -> Trade:
    """The trade that a call is about, if a buyer has opened it."""
    trade_no, out_trade_no = call.text("trade_no"), call.text("out_trade_no")
    if not trade_no and not out_trade_no:
        raise bad_parameter("out_trade_no")
    trade = trades.find(call.app, out_trade_no=out_trade_no, trade_no=trade_no)
    if trade is None or trade.status == TradeStatus.NOT_OPENED:
        raise Refusal("ACQ.TRADE_NOT_EXIST")
    return trade


def _query_options(call: Call) -> list[Any]:
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


def is_known(method: str) -> bool:
    """Say whether Alipay has such a method, be it here or not."""
    return method in METHODS or method in NOT_PERMITTED
