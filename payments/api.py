"""/api/v1/orders/{order_id}/…: to pay an order, or to cancel it."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema

from core.operations import SessionAuth, refusals
from orders.models import Order
from orders.schemas import OrderOut
from payments import views
from payments.expiry import cancel_for_buyer

router = Router(auth=SessionAuth())


class PaymentOut(Schema):
    payment_url: str


@router.post("/{order_id}/payment", response={200: PaymentOut, **refusals(401, 403, 404, 409)})
def pay_order(request: HttpRequest, order_id: str) -> dict[str, str]:
    """Begin to pay an order: send the buyer's browser to this address of Alipay's."""
    orders = Order.objects.of(request.user).prefetch_related("items")
    order = get_object_or_404(orders, order_id=order_id)
    return {"payment_url": views.pay_url(request, order)}


@router.post("/{order_id}/cancel", response={200: OrderOut, **refusals(401, 403, 404, 409, 503)})
def cancel_order(request: HttpRequest, order_id: str) -> Order:
    """Cancel an unpaid order: its stock goes back."""
    orders = Order.objects.of(request.user).prefetch_related("items")
    order = get_object_or_404(orders, order_id=order_id)
    cancel_for_buyer(order)
    return order
