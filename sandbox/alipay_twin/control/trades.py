"""Trades: what was asked for, what became of it, and what the buyer does."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from .. import actions, notices, trades
from ..clock import BEIJING
from ..gateway.methods import qr_code
from ..models import Trade
from ..money import yuan
from ..schemas import BuyerIn, RefundIn
from .errors import PROBLEMS
from .fields import Limit, Offset, beijing

router = Router()


class RefundOut(Schema):
    out_request_no: str
    refund_amount: str
    refund_fee: str
    refund_reason: str
    at: datetime


class EventOut(Schema):
    at: datetime
    kind: str
    detail: str


class TradeOut(Schema):
    out_trade_no: str
    trade_no: str | None
    trade_status: str | None = Field(description="null until a buyer has opened it")
    total_amount: str
    refund_fee: str = Field(description="the sum of what was refunded")
    refunds: list[RefundOut]
    app_id: str
    seller_id: str
    product: str
    subject: str
    body: str
    passback_params: str
    buyer_id: str | None
    buyer_logon_id: str | None
    requested_at: datetime
    expires_at: datetime | None
    gmt_create: datetime | None
    gmt_payment: datetime | None
    gmt_close: datetime | None
    finish_at: datetime | None
    notify_url: str
    return_url: str
    quit_url: str
    cashier_url: str
    qr_code: str
    return_address: str | None = Field(description="where a buyer who paid is sent, signed")
    history: list[EventOut]


class TradesOut(Schema):
    items: list[TradeOut]
    count: int


def trade_out(request: HttpRequest, trade: Trade) -> TradeOut:
    address = request.build_absolute_uri("/").rstrip("/")
    buyer = trade.buyer
    return TradeOut(
        out_trade_no=trade.out_trade_no,
        trade_no=trade.trade_no,
        trade_status=trade.status or None,
        total_amount=trade.total_amount,
        refund_fee=trade.refund_fee,
        refunds=[
            RefundOut(
                out_request_no=refund.out_request_no,
                refund_amount=refund.refund_amount,
                refund_fee=yuan(refund.total_so_far),
                refund_reason=refund.reason,
                at=refund.at.astimezone(BEIJING),
            )
            for refund in trade.refunds.all()
        ],
        app_id=trade.merchant.app_id,
        seller_id=trade.merchant.seller_id,
        product=trade.get_product_display(),
        subject=trade.subject,
        body=trade.extras.get("body", ""),
        passback_params=trade.extras.get("passback_params", ""),
        buyer_id=buyer.user_id if buyer else None,
        buyer_logon_id=buyer.logon_id if buyer else None,
        requested_at=trade.requested_at.astimezone(BEIJING),
        expires_at=beijing(trade.expires_at),
        gmt_create=beijing(trade.created_at),
        gmt_payment=beijing(trade.paid_at),
        gmt_close=beijing(trade.closed_at),
        finish_at=beijing(trade.finish_at),
        notify_url=trade.notify_url,
        return_url=trade.return_url,
        quit_url=trade.quit_url,
        cashier_url=f"{address}/cashier/{trade.token}/",
        qr_code=qr_code(trade, address),
        return_address=(notices.return_address(trade) or None) if trade.is_paid else None,
        history=[
            EventOut(at=event.at.astimezone(BEIJING), kind=event.kind, detail=event.detail)
            for event in trade.events
        ],
    )


class TradesIn(Schema):
    app_id: str = ""
    trade_status: str = ""
    limit: Limit = 100
    offset: Offset = 0


@router.get("/trades", response={200: TradesOut, **PROBLEMS})
def list_trades(request: HttpRequest, wanted: Query[TradesIn]) -> Any:
    """Every trade that was ever asked for, the latest first."""
    found = Trade.objects.select_related("merchant", "buyer").prefetch_related("refunds")
    if wanted.app_id:
        found = found.filter(merchant__app_id=wanted.app_id)
    if wanted.trade_status:
        found = found.filter(status=wanted.trade_status)
    shown = found.order_by("-pk")[wanted.offset : wanted.offset + wanted.limit]
    items = [trade_out(request, trades.as_of_now(trade) or trade) for trade in shown]
    return {"items": items, "count": found.count()}


@router.get("/trades/{out_trade_no}", response={200: TradeOut, **PROBLEMS})
def get_trade(request: HttpRequest, out_trade_no: str, app_id: str = "") -> Any:
    """One trade; 404 if it was never asked for."""
    return trade_out(request, actions.find_trade(out_trade_no, app_id))


@router.post("/trades/{out_trade_no}/scan", response={200: TradeOut, **PROBLEMS})
def scan_trade(
    request: HttpRequest, out_trade_no: str, choice: BuyerIn | None = None, app_id: str = ""
) -> Any:
    """The buyer opens the trade: from now on it exists."""
    return trade_out(request, actions.scan_trade(out_trade_no, app_id, choice))


@router.post("/trades/{out_trade_no}/pay", response={200: TradeOut, **PROBLEMS})
def pay_trade(
    request: HttpRequest, out_trade_no: str, choice: BuyerIn | None = None, app_id: str = ""
) -> Any:
    """The buyer pays, opening the trade first if need be."""
    return trade_out(request, actions.pay_trade(out_trade_no, app_id, choice))


@router.post("/trades/{out_trade_no}/refund", response={200: TradeOut, **PROBLEMS})
def refund_trade(
    request: HttpRequest, out_trade_no: str, wanted: RefundIn | None = None, app_id: str = ""
) -> Any:
    """The merchant sends money back in Alipay's console, and the shop did not ask for it."""
    return trade_out(request, actions.refund_trade(out_trade_no, app_id, wanted or RefundIn()))
