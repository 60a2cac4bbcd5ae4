"""The guards of an order: the edges of stock, sum and day, and which state follows which."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.http import Http404
from django.utils import timezone

from conftest import make_order, make_product
from core.money import LARGEST
from orders import checkout
from orders.exceptions import OrderNotCancellable, TooManyUnpaid, TotalTooHigh
from orders.models import ALPHABET, MAX_EVIDENCE, Event, Order, OrderStatus, new_order_id
from products.exceptions import OutOfStock
from products.models import Product, StockMovement
from users.models import User


@pytest.mark.parametrize(
    ("hour", "day"), [(15, "20261122"), (16, "20261123"), (23, "20261123")], ids=str
)
def test_the_day_of_an_order_number_is_beijings(hour: int, day: str) -> None:
    with time_machine.travel(datetime(2026, 11, 22, hour, 30, tzinfo=UTC), tick=False):
        number = new_order_id()

    assert number[:8] == day
    assert len(number) == 20
    assert set(number[8:]) <= set(ALPHABET)


@pytest.mark.parametrize(("left", "quantity"), [(1, 1), (2, 2), (999, 999)])
def test_the_last_piece_can_be_sold(alice: User, left: int, quantity: int) -> None:
    make_product(stock=left)

    make_order(alice, Product.objects.get(), quantity=quantity)

    assert Product.objects.get().stock == 0
    with pytest.raises(OutOfStock):
        make_order(alice, Product.objects.get())


def test_one_piece_more_than_there_are_can_not(alice: User, tea: Product) -> None:
    cup = make_product("cup", stock=1)

    with pytest.raises(OutOfStock):
        checkout.place_order(alice, {tea.id: 1, cup.id: 2})

    assert set(Product.objects.values_list("name", "stock")) == {("cup", 1), (tea.name, 10)}
    assert not Order.objects.exists()
    assert not StockMovement.objects.filter(cause="ORDER").exists()


def test_one_that_is_not_on_sale_stops_all(alice: User, tea: Product) -> None:
    hidden = make_product("hidden", is_on_sale=False)

    with pytest.raises(Http404):
        checkout.place_order(alice, {tea.id: 1, hidden.id: 1})

    assert not Order.objects.exists()


@pytest.mark.parametrize(("rest", "is_refused"), [("0.01", True), (None, False)])
def test_a_total_ends_at_alipays_largest(alice: User, rest: str | None, is_refused: bool) -> None:
    dear = make_product("dear", price=str(LARGEST))
    quantities = {dear.id: 1}
    if rest:
        quantities[make_product("cheap", price=rest).id] = 1

    if is_refused:
        with pytest.raises(TotalTooHigh):
            checkout.place_order(alice, quantities)
    else:
        assert checkout.place_order(alice, quantities).total_price == LARGEST

    assert Order.objects.exists() != is_refused


def test_hoarding_counts_ones_own_unpaid_orders(
    alice: User, bob: User, tea: Product, settings: Any
) -> None:
    settings.MAX_UNPAID_ORDERS = 2
    make_order(bob, tea)
    first = make_order(alice, tea)
    make_order(alice, tea)

    with pytest.raises(TooManyUnpaid):
        make_order(alice, tea)

    Order.objects.filter(pk=first.pk).update(status="PAID")
    make_order(alice, tea)


def test_a_total_is_that_of_every_line(alice: User, tea: Product) -> None:
    cup = make_product("cup", price="0.01")

    order = checkout.place_order(alice, {tea.id: 2, cup.id: 3})

    order.refresh_from_db()
    assert order.total_price == Decimal("19.83")
    order.add_up()
    assert order.total_price == Decimal("19.83")
    assert {item.product_id: item.quantity for item in order.items.all()} == {tea.id: 2, cup.id: 3}


# -- which state follows which ---------------------------------------------------------------------

CHANGES: dict[str, tuple[str, str]] = {
    "mark_paid": ("UNPAID", "PAID"),
    "mark_refunded": ("PAID", "REFUNDED"),
    "cancel": ("UNPAID", "CANCELLED"),
}


def change(order: Order, how: str) -> bool:
    if how == "mark_paid":
        return order.mark_paid(
            payment_method="alipay", transaction_id="1", paid_at=timezone.now(), evidence="said"
        )
    if how == "mark_refunded":
        return order.mark_refunded()
    try:
        order.cancel()
    except OrderNotCancellable:
        return False
    return True


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("status", OrderStatus.values)
def test_a_state_follows_one_other_only(alice: User, tea: Product, status: str, how: str) -> None:
    order = make_order(alice, tea)
    Order.objects.update(status=status)
    before, after = CHANGES[how]

    done = change(order, how)

    assert done == (status == before)
    assert Order.objects.get().status == (after if done else status)
    assert order.status == (after if done else "UNPAID")  # as it is in memory
    assert Event.objects.exclude(what=Event.What.PLACED).exists() == done
    is_back = done and how == "cancel"
    assert Product.objects.get().stock == (10 if is_back else 9)
    assert bool(Order.objects.get().restocked_at) == is_back


@pytest.mark.parametrize(
    ("by", "what", "cause"), [(True, "CANCELLED", "CANCEL"), (False, "EXPIRED", "EXPIRY")]
)
def test_history_and_stock_say_who_cancelled(
    alice: User, tea: Product, by: bool, what: str, cause: str
) -> None:
    make_order(alice, tea, quantity=2).cancel(by=alice if by else None)

    told = [(event.what, event.by) for event in Event.objects.all()[1:]]
    assert told == [(what, alice if by else None), ("RESTOCKED", alice if by else None)]
    moved = StockMovement.objects.first()
    assert moved
    assert (moved.cause, moved.quantity, moved.reference) == (
        cause,
        2,
        Order.objects.get().order_id,
    )


def test_goods_come_back_once(alice: User, tea: Product) -> None:
    order = make_order(alice, tea, quantity=2)

    for _ in range(2):
        order.restock(StockMovement.Cause.REFUND)

    assert Product.objects.get().stock == 10
    assert Event.objects.filter(what="RESTOCKED").count() == 1


@pytest.mark.parametrize("status", OrderStatus.values)
def test_what_an_order_says_of_itself(alice: User, tea: Product, status: str) -> None:
    order = make_order(alice, tea)
    order.status = status

    told = {
        "UNPAID": order.is_unpaid,
        "PAID": order.is_paid,
        "CANCELLED": order.is_cancelled,
        "REFUNDED": order.is_refunded,
    }
    assert [each for each, is_so in told.items() if is_so] == [status]
    assert order.is_payable == order.is_cancellable == (status == "UNPAID")
    order.expires_at = timezone.now()
    assert order.is_expired == (status == "UNPAID")
    assert Order.objects.unpaid().exists()


def test_long_evidence_is_shortened(alice: User, tea: Product) -> None:
    order = make_order(alice, tea)

    order.record(Event.What.ASKED, evidence="x" * (MAX_EVIDENCE + 1))

    assert len(Event.objects.latest("id").evidence) == MAX_EVIDENCE
