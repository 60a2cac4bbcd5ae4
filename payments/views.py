"""The buyer's steps: to Alipay, back again, and what the page says meanwhile."""

import logging
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseStopPolling

from core.negotiation import Audience, SeeOther, audience
from core.problems import login_required
from orders.models import Order, OrderStatus
from payments import alipay, attempts
from payments.exceptions import Refused
from payments.expiry import cancel_now
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.query import ask
from users.requests import UserRequest

logger = logging.getLogger(__name__)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def payment_page(request: UserRequest, order_id: str) -> HttpResponse:
    """Show what is to be paid; when posted, lead to Alipay, if the order can still be paid."""
    orders = Order.objects.prefetch_related("items__product")
    order = orders.own_or_404(request.user, order_id)
    if request.method == "POST":
        return SeeOther(attempts.pay_url(request, order, attempts.kind_for(request)))
    return render(request, "payments/payment.html", panel_context(request, order))


@require_POST
@never_cache
@login_required
def qr(request: UserRequest, order_id: str) -> HttpResponse:
    """Show a QR code on the payment page, for another device to scan."""
    order = Order.objects.prefetch_related("items").own_or_404(request.user, order_id)
    attempts.qr_code(request, order)
    if audience(request) is Audience.HTMX:
        return panel_of(request, order)
    return SeeOther(order.get_payment_url())


@require_safe
@never_cache
@login_required
def panel(request: UserRequest, order_id: str) -> HttpResponse:
    """Say how the payment stands; the answer 286 tells htmx to stop asking."""
    order = Order.objects.own_or_404(request.user, order_id)
    if order.is_unpaid:
        Payment.objects.look_sooner(order)
    return panel_of(request, order)


def panel_of(request: HttpRequest, order: Order) -> HttpResponse:
    context = panel_context(request, order)
    response = render(request, "payments/payment.html#panel", context)
    return HttpResponseStopPolling(response.content) if context["is_settled"] else response


def panel_context(request: HttpRequest, order: Order) -> dict[str, Any]:
    chosen = Payment.objects.chosen(order) if order.is_payable else None
    is_waiting = bool(chosen and chosen.is_open)
    code = chosen.qr_code if chosen and is_waiting else ""
    refunds = list(Refund.objects.of(order))
    return {
        "order": order,
        # Past its time an order is still unpaid until Alipay has been asked: the page waits too.
        "is_settled": not order.is_unpaid and not any(refund.is_open for refund in refunds),
        "is_waiting": is_waiting,
        "state": state_of(order, is_waiting=is_waiting, has_code=bool(code), refunds=refunds),
        # Until the page asks again; money that goes back takes longer than money that comes.
        "seconds": 2 if order.is_unpaid else 10,
        "qr": attempts.drawn(code) if code else "",
        "qr_address": code,
        "offers_qr": not code and offers_qr(request),
        "refunds": refunds,
    }


def offers_qr(request: HttpRequest) -> bool:
    """Whether a QR code is of use: a phone cannot scan itself."""
    return settings.ALIPAY_QR and attempts.kind_for(request) is Payment.Kind.PAGE


def state_of(order: Order, *, is_waiting: bool, has_code: bool, refunds: list[Refund]) -> str:
    """Put in a few words what the panel says: while they stay the same, it says nothing new."""
    if has_code:
        paying = "qr"
    elif is_waiting:
        paying = "waiting"
    elif order.is_payable:
        paying = "open"
    else:
        paying = order.status.lower()
    return " ".join([paying, *(refund.status.lower() for refund in refunds)])


@require_safe
@never_cache
def payment_return(request: HttpRequest) -> HttpResponse:
    """Tell the buyer who comes back how it went. This address proves nothing.

    Its signature says only that Alipay once made it, for anybody who has it; so the order is
    shown to its buyer alone, and its state is what Alipay answers when it is asked.
    """
    try:
        fields = alipay.verified(request.GET.dict())
    except Refused as refusal:
        logger.warning("Alipay return refused: %s", refusal)
        return render(request, "payments/result.html", {"outcome": "failed"}, status=400)
    if not request.user.is_authenticated:
        return render(request, "payments/result.html", {"outcome": "processing", "order": None})

    payment = get_object_or_404(
        Payment.objects.filter(order__in=Order.objects.of(request.user)).select_related("order"),
        out_trade_no=fields.get("out_trade_no", ""),
    )
    if payment.order.is_unpaid or payment.is_open:
        ask(payment)
        payment.order.refresh_from_db()
    outcomes = {OrderStatus.PAID: "success", OrderStatus.UNPAID: "processing"}
    outcome = outcomes.get(OrderStatus(payment.order.status), "failed")
    return render(
        request,
        "payments/result.html",
        {"outcome": outcome, **panel_context(request, payment.order)},
    )


@require_POST
@login_required
def cancel(request: UserRequest, order_id: str) -> HttpResponse:
    """Cancel an unpaid order, having made sure at Alipay that it is not being paid."""
    order = Order.objects.own_or_404(request.user, order_id)
    cancel_now(order, by=request.user)
    messages.success(request, _("The order is cancelled. Nothing will be charged."))
    return SeeOther(order.get_absolute_url())
