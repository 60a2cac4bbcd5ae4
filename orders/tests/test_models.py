"""What an order is: its number, its total, and the two ways out of UNPAID."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from conftest import make_order, make_product
from orders.exceptions import OrderNotCancellable
from orders.models import ALPHABET, Order, OrderItem, new_order_id
from products.models import Product
from users.models import User


def test_order_id_is_the_day_and_sixty_bits() -> None:
    numbers = {new_order_id() for _ in range(1000)}

    assert len(numbers) == 1000
    for number in numbers:
        assert number[:8] == timezone.localdate().strftime("%Y%m%d")
        assert len(number) == 20
        assert set(number[8:]) <= set(ALPHABET)


def test_an_item_records_price_and_name_when_first_saved(alice: User, tea: Product) -> None:
    order = Order.objects.create(user=alice)
    item = OrderItem(order=order, product=tea, quantity=2)
    item.save()
    tea.price, tea.name = Decimal("50.00"), "other"
    tea.save()

    item.save()

    item.refresh_from_db()
    assert (item.price_at_purchase, item.product_name) == (Decimal("9.90"), "龙井 tea")


def test_the_total_is_that_of_the_items(alice: User, tea: Product) -> None:
    order = Order.objects.create(user=alice)
    OrderItem.objects.create(order=order, product=tea, quantity=3)
    OrderItem.objects.create(order=order, product=make_product("cup", "0.01"), quantity=1)

    order.refresh_from_db()

    assert order.total_price == Decimal("29.71")


def test_a_product_that_was_sold_can_not_be_deleted(alice: User, tea: Product) -> None:
    make_order(alice, tea)

    with pytest.raises(ProtectedError):
        tea.delete()


def test_cancel_gives_the_stock_back_once(alice: User, tea: Product) -> None:
    order = make_order(alice, tea, quantity=4)
    again = Order.objects.get()

    order.cancel()
    with pytest.raises(OrderNotCancellable):
        again.cancel()

    tea.refresh_from_db()
    assert (tea.stock, Order.objects.get().status) == (10, "CANCELLED")


def test_a_paid_order_can_not_be_cancelled(alice: User, tea: Product) -> None:
    order = make_order(alice, tea, quantity=4)
    order.mark_paid(payment_method="alipay", transaction_id="1", paid_at=timezone.now())

    with pytest.raises(OrderNotCancellable):
        Order.objects.get().cancel()

    tea.refresh_from_db()
    assert (tea.stock, Order.objects.get().status) == (6, "PAID")


def test_mark_paid_works_once(alice: User, tea: Product) -> None:
    order = make_order(alice, tea)
    before = order.updated_at

    first = order.mark_paid(payment_method="alipay", transaction_id="1", paid_at=timezone.now())
    second = Order.objects.get().mark_paid(
        payment_method="alipay", transaction_id="2", paid_at=timezone.now()
    )

    paid = Order.objects.get()
    assert (first, second) == (True, False)
    assert paid.transaction_id == "1"
    assert paid.updated_at > before


def test_an_order_is_payable_until_it_expires(alice: User, tea: Product) -> None:
    order = make_order(alice, tea)
    assert order.is_payable
    assert timedelta(minutes=29) < order.expires_at - timezone.now() <= timedelta(minutes=30)

    order.expires_at = timezone.now()

    assert (order.is_payable, order.is_expired, order.is_unpaid) == (False, True, True)


@pytest.mark.parametrize(
    ("row", "changes"),
    [
        (Product, {"stock": -1}),
        (Product, {"price": Decimal("0.00")}),
        (OrderItem, {"quantity": 0}),
        (OrderItem, {"quantity": 1000}),
        (OrderItem, {"price_at_purchase": Decimal("0.00")}),
        (Order, {"total_price": Decimal("-0.01")}),
        (Order, {"status": "STOLEN"}),
    ],
)
def test_the_database_refuses(
    alice: User, tea: Product, row: type[Product], changes: dict[str, object]
) -> None:
    make_order(alice, tea)

    with pytest.raises(IntegrityError), transaction.atomic():
        row.objects.update(**changes)
