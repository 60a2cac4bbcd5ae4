"""Every page of the console: trades, one trade, notices, calls, settings."""

from __future__ import annotations

import typing
from typing import Any

from django.core.paginator import Page, Paginator
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from .. import actions, notices, wire
from ..behaviour import NotifyPolicy, rules
from ..cashier import merchant_address
from ..clock import clock, real_now
from ..faults import KINDS
from ..gateway.methods import METHODS
from ..models import Buyer, Fault, Merchant, Notice, Trade, TradeProduct, TradeStatus
from ..money import yuan
from ..problems import Problem
from ..requestlog import requests
from ..server.options import options
from .rows import MerchantRow, NoticeRow, notices_with_attempts, setting_fields

PAGE_SIZE = 25


def page_context(request: HttpRequest) -> dict[str, Any]:
    """What every page shows: the clock, what is set to go wrong, where to call."""
    return {
        "now": clock.now(),
        "real": real_now(),
        "clock_mode": clock.mode,
        "clock_scale": clock.rate,
        "fault_count": Fault.objects.count(),
        "policy": rules.policy,
        "is_policy_usual": rules.policy == NotifyPolicy(),
        "address": request.build_absolute_uri("/").rstrip("/"),
        "here": request.get_full_path(),
        "keys_folder": str(options.keys),
        "buyers": Buyer.objects.order_by("pk"),
    }


def paginated(request: HttpRequest, rows: models.QuerySet[Any]) -> Page[Any]:
    return Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))


@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    """Trades, the clock, balances; the last notices and requests."""
    q, status = request.GET.get("q", "").strip(), request.GET.get("status", "")
    found = Trade.objects.select_related("merchant", "buyer").order_by("-pk")
    if q:
        found = found.filter(
            models.Q(out_trade_no__icontains=q)
            | models.Q(trade_no__icontains=q)
            | models.Q(subject__icontains=q)
        )
    if status:
        found = found.filter(status="" if status == "NOT_OPENED" else status)
    context = {
        "page_obj": paginated(request, found),
        "q": q,
        "status": status,
        "statuses": ["NOT_OPENED", *[status.value for status in TradeStatus if status]],
        "merchants": [MerchantRow(merchant) for merchant in Merchant.objects.order_by("pk")],
        "notices": [NoticeRow(notice) for notice in notices_with_attempts().order_by("-pk")[:5]],
        "requests": requests.last(10),
    }
    return render(request, "alipay_twin/dashboard.html", page_context(request) | context)


@require_GET
def trade_page(request: HttpRequest, app_id: str, out_trade_no: str) -> HttpResponse:
    """One trade with its whole history."""
    try:
        trade = actions.find_trade(out_trade_no, app_id)
    except Problem as problem:
        raise Http404 from problem
    signed = notices.return_fields(trade) if has_return(trade) else {}
    context = {
        "trade": trade,
        "history": trade.events,
        "refunds": trade.refunds.all(),
        "notices": [NoticeRow(notice) for notice in notices_with_attempts().filter(trade=trade)],
        "requests": [entry for entry in requests.last() if entry.out_trade_no == out_trade_no][:25],
        "cashier_url": f"/cashier/{trade.token}/",
        "can_open": trade.status == TradeStatus.NOT_OPENED,
        "can_pay": trade.status in (TradeStatus.NOT_OPENED, TradeStatus.WAIT_BUYER_PAY),
        "can_refund": trade.status == TradeStatus.TRADE_SUCCESS,
        "left": yuan(trade.total - trade.refunded),
        "merchant_address": merchant_address(trade),
        "return_string": wire.message_string(signed) if signed else "",
        "return_address": notices.return_address(trade) if signed else "",
        "forged": notices.forged_fields(actions.forged_trade(out_trade_no, app_id)),
    }
    return render(request, "alipay_twin/trade.html", page_context(request) | context)


def has_return(trade: Trade) -> bool:
    return trade.is_paid and bool(trade.return_url) and trade.product != TradeProduct.PRECREATE


@require_GET
def notices_page(request: HttpRequest) -> HttpResponse:
    """Notices with every attempt and the merchant's exact answer."""
    state = request.GET.get("state", "")
    found = notices_with_attempts().order_by("-pk")
    page = paginated(request, found.filter(state=state) if state else found)
    context = {
        "page_obj": page,
        "notices": [NoticeRow(notice) for notice in page],
        "state": state,
        "states": [state.value for state in Notice.State],
    }
    return render(request, "alipay_twin/notices.html", page_context(request) | context)


@require_GET
def requests_page(request: HttpRequest) -> HttpResponse:
    """The last gateway requests with their verdicts, and the strings that were signed."""
    return render(
        request,
        "alipay_twin/requests.html",
        page_context(request) | {"requests": requests.last(100)},
    )


@require_GET
def settings_page(request: HttpRequest) -> HttpResponse:
    """Faults, merchants, and every setting where sources disagree."""
    context = {
        "faults": Fault.objects.all(),
        "fault_kinds": typing.get_args(KINDS),
        "methods": list(METHODS),
        "merchants": [MerchantRow(merchant) for merchant in Merchant.objects.order_by("pk")],
        "setting_fields": setting_fields(rules.behaviour, rules.defaults),
        "triggers": rules.behaviour.notify_triggers,
    }
    return render(request, "alipay_twin/settings.html", page_context(request) | context)
