"""From quantities to a placed order.

    1. lock     the products' rows, in ascending id order
    2. price    each line at the price of now, and refuse a total that nobody can pay
    3. reserve  the stock, or refuse: all of it or nothing
    4. write    the order and its lines

Nothing that a buyer sends but products and quantities is read. All of it is one transaction.
"""

import logging
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.http import Http404

from core.money import LARGEST
from orders.exceptions import TotalTooHigh
from orders.models import Order, OrderItem
from products.models import Product

logger = logging.getLogger(__name__)


@transaction.atomic
def place_order(user: Any, quantities: Mapping[int, int]) -> Order:
    """Place an order for quantities by product id, and return it.

    Raise Http404 for a product that is not on sale, OutOfStock or TotalTooHigh; then nothing is
    written.
    """
    products = Product.objects.on_sale().locked(quantities)
    if len(products) < len(quantities):
        raise Http404

    order = Order(user=user)
    items = [OrderItem.of(order, product, quantity=quantities[product.id]) for product in products]
    order.total_price = sum(item.line_total for item in items)
    if order.total_price > LARGEST:
        raise TotalTooHigh

    for product in products:
        product.reserve(quantities[product.id])

    order.save(force_insert=True)
    order.remember_items(OrderItem.objects.bulk_create(items))
    logger.info("Order %s: placed", order.order_id)
    return order


def buy_now(user: Any, *, product_id: int, quantity: int) -> Order:
    """Place an order for one product, at once."""
    return place_order(user, {product_id: quantity})
