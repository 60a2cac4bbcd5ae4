"""From quantities to a placed order.

    1. count    the buyer's unpaid orders: each holds stock that nobody else can buy
    2. lock     the products' rows, in ascending id order
    3. price    each line at the price of now, and refuse a total that nobody can pay
    4. reserve  the stock, or refuse: all of it or nothing
    5. write    the order, its lines and the first line of its history

Nothing that a buyer sends but products and quantities is read. All of it is one transaction.
"""

import logging
from collections.abc import Mapping

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import Http404

from core.money import LARGEST
from orders.exceptions import TooManyUnpaid, TotalTooHigh
from orders.models import Event, Order, OrderItem
from products.models import Product
from users.models import User

logger = logging.getLogger(__name__)


@transaction.atomic
def place_order(user: User, quantities: Mapping[int, int]) -> Order:
    """Place an order for quantities by product id, and return it.

    Raise Http404 for a product that is not on sale, OutOfStock, TotalTooHigh or TooManyUnpaid;
    then nothing is written.
    """
    refuse_hoarding(user)
    products = Product.objects.on_sale().locked(quantities)
    if len(products) < len(quantities):
        raise Http404

    order = Order(user=user)
    items = [OrderItem.of(order, product, quantity=quantities[product.id]) for product in products]
    order.total_price = sum(item.line_total for item in items)
    if order.total_price > LARGEST:
        raise TotalTooHigh

    for product in products:
        product.reserve(quantities[product.id], order_id=order.order_id)

    order.save(force_insert=True)
    order.remember_items(OrderItem.objects.bulk_create(items))
    order.record(Event.What.PLACED, by=user)
    logger.info("Order %s: placed", order.order_id)
    return order


def refuse_hoarding(user: User) -> None:
    """Raise TooManyUnpaid when a buyer holds as many unpaid orders as anybody may.

    The buyer's row is locked first: of two orders at once, the second counts the first.
    """
    get_user_model().objects.select_for_update(no_key=True).only("pk").get(pk=user.pk)
    if Order.objects.of(user).unpaid().count() >= settings.MAX_UNPAID_ORDERS:
        raise TooManyUnpaid(settings.MAX_UNPAID_ORDERS)


def buy_now(user: User, *, product_id: int, quantity: int) -> Order:
    """Place an order for one product, at once."""
    return place_order(user, {product_id: quantity})
