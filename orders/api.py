"""/api/v1/orders, and /order/buy/…: placing and reading one's own orders."""

from typing import Any

from ninja import Query, Router, Status

from core.negotiation import see_other
from core.operations import Page, SessionAuth, refusals
from core.problems import FORM_PAGES, FormPage
from orders import checkout
from orders.models import Order
from orders.schemas import BuyNowIn, OrderIn, OrderOut, OrdersOut
from users.requests import UserRequest

router = Router(auth=SessionAuth())
buy_now_router = Router(auth=SessionAuth())


FORM_PAGES["order:buy_now"] = FormPage("products:detail", element_id="buy-box")


@buy_now_router.post(
    "/buy/{int:product_id}/",
    response={201: OrderOut, **refusals(400, 401, 403, 404, 409, 413, 415, 422)},
)
@see_other(Order.get_payment_url)
def buy_now(request: UserRequest, product_id: int, choice: BuyNowIn) -> Order:
    """Place an order for one product, at once."""
    return checkout.buy_now(request.user, product_id=product_id, quantity=choice.quantity)


@router.post("", response={201: OrderOut, **refusals(400, 401, 403, 404, 409, 413, 415, 422)})
def place_order(request: UserRequest, order: OrderIn) -> Status[Order]:
    """Place an order for several products: all of them or none."""
    return Status(201, checkout.place_order(request.user, order.quantities))


@router.get("", response={200: OrdersOut, **refusals(401, 422)})
def list_orders(request: UserRequest, page: Query[Page]) -> dict[str, Any]:
    """List your orders, the newest first."""
    return page.of(Order.objects.of(request.user).prefetch_related("items"))


@router.get("/{order_id}", response={200: OrderOut, **refusals(401, 404)})
def get_order(request: UserRequest, order_id: str) -> Order:
    """Show one of your orders."""
    return Order.objects.prefetch_related("items").own_or_404(request.user, order_id)
