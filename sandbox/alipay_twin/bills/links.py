"""The link to a bill: who gets one, for how long, and what is behind it."""

from __future__ import annotations

import secrets
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ..behaviour import rules
from ..clock import clock
from ..models import BillLink, Merchant
from ..refusals import Refusal
from ..state import change
from .files import account_number, bill
from .period import Period, entries, payments, read_period, refunds

LINK_LIVES = timedelta(seconds=30)
FIRST_DAY = date(2016, 1, 1)
OTHER_TYPES = {"merchant_act", "trade_zft_merchant", "zft_acc", "settlementMerge"}


def make_link(merchant: Merchant, bill_type: str, bill_date: str) -> BillLink:
    """Make a link to a bill that exists."""
    span = read_period(bill_date)
    if bill_type in OTHER_TYPES:
        raise refused("TYPE_NOT_SUPPORTED")
    if bill_type not in ("trade", "signcustomer") or span is None:
        raise refused("INVAILID_ARGUMENTS")
    if span.start.date() < FIRST_DAY:
        raise refused("BILL_DATE_BEFORE_REGISTRATION")
    now = clock.now()
    if now < ready_at(span) or not rules.behaviour.bills or is_empty(merchant, bill_type, span):
        raise refused("BILL_NOT_EXIST")
    with change():
        BillLink.objects.filter(issued_at__lt=now - LINK_LIVES).delete()
        return BillLink.objects.create(
            token=secrets.token_hex(16),
            merchant=merchant,
            bill_type=bill_type,
            bill_date=bill_date,
            issued_at=now,
        )


def refused(name: str) -> Refusal:
    return Refusal(f"{rules.behaviour.bill_error_prefix}{name}")


def ready_at(span: Period) -> datetime:
    """A day's bill is made the next morning, a month's on the third."""
    hour, minute = map(int, rules.behaviour.bill_ready_at.split(":"))
    wait = timedelta(days=0 if span.is_day else 2, hours=hour, minutes=minute)
    return span.end + wait


def is_empty(merchant: Merchant, bill_type: str, span: Period) -> bool:
    if bill_type == "signcustomer":
        return not entries(merchant, span).exists()
    return not (payments(merchant, span).exists() or refunds(merchant, span).exists())


def address(link: BillLink) -> str:
    """The path and query of a link, in the manner of Alipay's bill centre."""
    day = link.bill_date.replace("-", "")
    account = account_number(link.merchant)
    return "/bills/downloadBillFile.resource?" + urlencode(
        {
            "bizType": "trade" if link.bill_type == "trade" else "fnd",
            "userId": account,
            "fileType": "csv.zip",
            "bizDates": day,
            "downloadFileName": f"{account}_{day}.csv.zip",
            "fileId": f"/{link.bill_type}/{account}/{day}.csv.zip",
            "timestamp": int(link.issued_at.timestamp() * 1000),
            "token": link.token,
        }
    )


@require_GET
def download(request: HttpRequest) -> HttpResponse:
    """Hand out the bill, once, in time; otherwise the page that says it is too late."""
    token = request.GET.get("token", "")
    with change():
        found = BillLink.objects.select_related("merchant").filter(token=token).first()
        if found is not None:
            found.delete()
    if found is None or clock.now() > found.issued_at + LINK_LIVES:
        return render(request, "alipay_twin/bill_timeout.html")
    span = read_period(found.bill_date)
    if span is None:
        return render(request, "alipay_twin/bill_timeout.html")
    name = f"{account_number(found.merchant)}_{span.name}.csv.zip"
    return HttpResponse(
        bill(found.merchant, found.bill_type, span),
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
