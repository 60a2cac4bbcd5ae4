"""How an order is paid: on a page of Alipay's, on the phone's, or by a QR code.

One order may see several attempts, each with its own ``out_trade_no``: the buyer began at the
computer and went on by phone, or the first trade was closed. A new kind of attempt closes the one
before at Alipay. One that no buyer has opened yet does not exist there and cannot be closed; it
stays open here until its time is over, and should both be paid, the second goes back by itself.
"""

import segno
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from orders.models import Order
from payments import alipay
from payments.exceptions import AlipayTrouble, PayLater, QRNotOffered
from payments.models.payment import Payment
from payments.query import ask


def kind_for(request: HttpRequest) -> Payment.Kind:
    """Choose by the device, as it calls itself."""
    is_phone = request.headers.get("Sec-CH-UA-Mobile") == "?1" or "Mobi" in request.headers.get(
        "User-Agent", ""
    )
    return Payment.Kind.WAP if is_phone else Payment.Kind.PAGE


def begin(order: Order, kind: Payment.Kind) -> Payment:
    """Return the attempt to pay in this way, having asked Alipay about each one before.

    Raise OrderNotPayable, also when Alipay says that it is paid, and PayLater when an attempt of
    another kind may still be open there.
    """
    if order.is_payable:
        for earlier in order.payments.open():
            is_other = earlier.kind != kind
            if not ask(earlier, then_close=is_other) and is_other:
                raise PayLater
    return Payment.objects.attempt(order, kind=kind)


def pay_url(request: HttpRequest, order: Order, kind: Payment.Kind) -> str:
    """Return Alipay's address at which the buyer's browser pays this order.

    Raise OrderNotPayable or PayLater.
    """
    payment = begin(order, kind)
    return alipay.pay_url(
        kind.value,
        out_trade_no=payment.out_trade_no,
        total_amount=payment.amount,
        subject=subject(order),
        time_expire=payment.time_expire,
        notify_url=request.build_absolute_uri(reverse("payments:alipay_notify")),
        return_url=request.build_absolute_uri(reverse("payments:payment_return")),
        quit_url=request.build_absolute_uri(order.get_payment_url()),
    )


def qr_code(request: HttpRequest, order: Order) -> str:
    """Return what a wallet is to scan to pay this order; Alipay is asked for it once.

    Raise QRNotOffered, OrderNotPayable or PayLater.
    """
    if not settings.ALIPAY_QR:
        raise QRNotOffered
    payment = begin(order, Payment.Kind.QR)
    if not payment.qr_code:
        try:
            payment.qr_code = alipay.precreate(
                out_trade_no=payment.out_trade_no,
                total_amount=payment.amount,
                subject=subject(order),
                time_expire=payment.time_expire,
                notify_url=request.build_absolute_uri(reverse("payments:alipay_notify")),
            )
        except AlipayTrouble as trouble:
            raise PayLater from trouble
        payment.save(update_fields=["qr_code", "updated_at"])
    return payment.qr_code


def drawn(code: str) -> SafeString:
    """Draw a QR code as SVG, with the quiet zone that scanners need."""
    # Drawn by segno from the modules alone: no text of anybody's is in it.
    return mark_safe(segno.make(code, error="m").svg_inline(border=4, omitsize=True, light="#fff"))  # noqa: S308


def subject(order: Order) -> str:
    """Name the products and quantities, as the buyer reads them in Alipay."""
    return ", ".join(f"{item.product_name} x{item.quantity}" for item in order.items.all())
