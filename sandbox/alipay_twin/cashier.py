"""What the buyer sees: log in, confirm or leave, and back to the merchant.

Logging in is what opens the trade. The buyer's browser goes back with signed fields only after
paying; whoever leaves goes back with nothing. All of it works without JavaScript.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from urllib.parse import urlsplit

import segno
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from . import notices, trades
from .clock import clock
from .models import Buyer, Trade, TradeStatus
from .refusals import Refusal
from .state import change

REASONS: dict[str, Callable[[], str]] = {
    "ACQ.TRADE_HAS_SUCCESS": lambda: _("This has been paid already."),
    "ACQ.TRADE_HAS_CLOSE": lambda: _("This payment was closed. Please order again at the shop."),
    "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR": lambda: _("The time for this payment is over."),
    "ACQ.TRADE_BUYER_NOT_MATCH": lambda: _("Another buyer has opened this payment."),
}


class SeeOther(HttpResponseRedirect):
    """After a form: fetch the next page."""

    status_code = 303


def with_trade(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Give the view the trade that the address names."""

    @wraps(view)
    def with_trade(request: HttpRequest, token: str) -> HttpResponse:
        trade = Trade.objects.select_related("merchant", "buyer").filter(token=token).first()
        if trade is None:
            raise Http404
        response = view(request, trades.as_of_now(trade))
        response.headers["Cache-Control"] = "no-store"
        return response

    return with_trade


@require_GET
@with_trade
def cashier(request: HttpRequest, trade: Trade) -> HttpResponse:
    """The page of this trade as it stands now."""
    if trade.is_paid and logged_in_buyer(request, trade):
        return SeeOther(f"/cashier/{trade.token}/done/")
    return page(request, trade)


def page(request: HttpRequest, trade: Trade, *, error: str = "", status: int = 200) -> HttpResponse:
    """Show what the buyer can do next."""
    buyer = logged_in_buyer(request, trade)
    now = clock.now()
    ends = [end for end in (trade.expires_at, trade.scan_before) if end is not None]
    if trade.is_opened:
        ends = [end for end in (trade.expires_at,) if end is not None]
    end = min(ends, default=None)
    if trade.is_paid:
        step = "paid"
    elif trade.status == TradeStatus.TRADE_CLOSED or (end is not None and end <= now):
        step = "over"
    else:
        step = "confirm" if buyer else "login"
    left = max(int((end - now).total_seconds()), 0) if end is not None else None
    context = {
        "trade": trade,
        "merchant": trade.merchant,
        "step": step,
        "buyer": buyer,
        "buyers": Buyer.objects.order_by("pk"),
        "hint": Buyer.objects.order_by("pk").first(),
        "ends_at": end,
        "seconds_left": left,
        "minutes_left": None if left is None else -(-left // 60),
        "error": error,
        "merchant_address": merchant_address(trade),
    }
    return render(request, "alipay_twin/cashier.html", context, status=status)


@require_POST
@with_trade
def login(request: HttpRequest, trade: Trade) -> HttpResponse:
    """The buyer logs in: the trade is born."""
    logon_id = request.POST.get("logon_id", "").strip()
    buyer = Buyer.objects.filter(logon_id__iexact=logon_id).first()
    if buyer is None or request.POST.get("password") != buyer.password:
        return page(request, trade, error=_("Wrong account or password."), status=422)
    try:
        with change():
            trades.scan(_reloaded(trade), buyer)
    except Refusal as refusal:
        return _refused(request, trade, refusal)
    remembered = dict(list(request.session.get("buyers", {}).items())[-9:])
    request.session["buyers"] = {**remembered, trade.token: buyer.pk}
    return SeeOther(f"/cashier/{trade.token}/")


@require_POST
@with_trade
def pay(request: HttpRequest, trade: Trade) -> HttpResponse:
    """The buyer confirms."""
    buyer = logged_in_buyer(request, trade)
    if buyer is None:
        return SeeOther(f"/cashier/{trade.token}/")
    if request.POST.get("password") != buyer.password:
        return page(request, trade, error=_("Wrong payment password."), status=422)
    try:
        with change():
            trades.pay(_reloaded(trade), buyer)
    except Refusal as refusal:
        if refusal.sub_code != "ACQ.TRADE_HAS_SUCCESS":
            return _refused(request, trade, refusal)
    return SeeOther(f"/cashier/{trade.token}/done/")


@require_GET
@with_trade
def done(request: HttpRequest, trade: Trade) -> HttpResponse:
    """After paying: back to the merchant with the signed fields, or a page that says so."""
    if not trade.is_paid:
        return SeeOther(f"/cashier/{trade.token}/")
    address = notices.return_address(trade)
    return SeeOther(address) if address else page(request, trade)


@require_POST
@with_trade
def leave(request: HttpRequest, trade: Trade) -> HttpResponse:
    """The buyer leaves: back to the merchant, with nothing in hand."""
    address = trade.quit_url or merchant_address(trade)
    return SeeOther(address) if address else page(request, trade, error=_("Nothing was paid."))


@require_GET
@with_trade
def status(request: HttpRequest, trade: Trade) -> HttpResponse:
    """For the open page: whether to go on, because the trade was paid or closed elsewhere."""
    response = HttpResponse(status=204)
    if trade.is_paid:
        response.headers["HX-Redirect"] = f"/cashier/{trade.token}/done/"
    elif trade.status != request.GET.get("was", trade.status):
        response.headers["HX-Refresh"] = "true"
    return response


@require_GET
@with_trade
def qr(request: HttpRequest, trade: Trade) -> HttpResponse:
    """The code that opens this trade in the wallet: here, in any browser."""
    return qr_image(request.build_absolute_uri(f"/cashier/qr/{trade.qr}"))


def qr_image(text: str) -> HttpResponse:
    image = io.BytesIO()
    segno.make(text, error="m").save(image, kind="svg", scale=6, border=2)
    return HttpResponse(image.getvalue(), content_type="image/svg+xml")


@require_GET
def scanned(request: HttpRequest, code: str) -> HttpResponse:
    """The address inside a QR code."""
    trade = Trade.objects.filter(qr=code).first()
    if trade is None:
        raise Http404
    return redirect(f"/cashier/{trade.token}/")


@require_GET
def scan(request: HttpRequest) -> HttpResponse:
    """The wallet's camera: takes what a QR code says, and opens its trade."""
    said = request.GET.get("qr_code", "").strip()
    code = urlsplit(said).path.rpartition("/")[2]
    trade = Trade.objects.filter(qr=code).first() if code else None
    if trade is not None:
        return redirect(f"/cashier/{trade.token}/")
    error = _("This is no QR code of this sandbox.") if said else ""
    return render(
        request,
        "alipay_twin/scan.html",
        {"qr_code": said, "error": error},
        status=404 if error else 200,
    )


def logged_in_buyer(request: HttpRequest, trade: Trade) -> Buyer | None:
    """Who has logged in at this trade's cashier in this browser."""
    pk = request.session.get("buyers", {}).get(trade.token)
    return trade.buyer if pk is not None and trade.buyer_id == pk else None


def merchant_address(trade: Trade) -> str:
    """Where the merchant lives, as far as its addresses tell."""
    parts = urlsplit(trade.return_url or trade.quit_url)
    return f"{parts.scheme}://{parts.netloc}/" if parts.netloc else ""


def _reloaded(trade: Trade) -> Trade:
    """The trade as it is now that nobody else changes it."""
    fresh = Trade.objects.select_related("merchant", "buyer").get(pk=trade.pk)
    return trades.as_of_now(fresh) or fresh


def _refused(request: HttpRequest, trade: Trade, refusal: Refusal) -> HttpResponse:
    trade.refresh_from_db()
    reason = REASONS.get(refusal.sub_code)
    error = reason() if reason else f"{refusal.sub_msg} ({refusal.sub_code})"
    return page(request, trade, error=error, status=409)
