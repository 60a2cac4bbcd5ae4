"""The guards of a product: what is left of it, to the piece."""

from decimal import Decimal
from typing import Any

import pytest

from conftest import make_product
from products.exceptions import OutOfStock
from products.models import MAX_QUANTITY, MAX_STOCK, SCARCE, Product, StockMovement
from users.models import User


@pytest.mark.parametrize(
    ("stock", "difference", "is_done"),
    [
        (10, -10, True),
        (10, -11, False),
        (10, -1, True),
        (0, 1, True),
        (0, -1, False),
        (MAX_STOCK - 1, 1, True),
        (MAX_STOCK, 1, False),
        (MAX_STOCK - 1, 2, False),
    ],
)
def test_a_correction_stays_within_its_bounds(
    operator: User, stock: int, difference: int, is_done: bool
) -> None:
    tea = make_product(stock=stock)
    before = StockMovement.objects.count()

    done = Product.correct(tea.pk, difference=difference, reason="counted", by=operator)

    assert done == is_done
    assert Product.objects.get().stock == stock + (difference if is_done else 0)
    assert StockMovement.objects.count() == before + is_done


def test_a_correction_tells_who_and_why(tea: Product, operator: User) -> None:
    before = Product.objects.get().updated_at

    Product.correct(tea.pk, difference=-3, reason="broken", by=operator)

    moved = StockMovement.objects.first()
    assert moved
    assert (moved.quantity, moved.cause, moved.reason, moved.by) == (
        -3,
        "CORRECTION",
        "broken",
        operator,
    )
    assert Product.objects.get().updated_at > before


@pytest.mark.parametrize(("stock", "movements"), [(0, []), (1, [1])])
def test_the_first_stock_is_a_movement(db: None, stock: int, movements: list[int]) -> None:
    tea = make_product(stock=stock)
    tea.name = "other"
    tea.save()

    assert list(tea.movements.values_list("quantity", flat=True)) == movements


@pytest.mark.parametrize(("quantity", "left"), [(9, 1), (10, 0)])
def test_a_reservation_takes_what_is_there(tea: Product, quantity: int, left: int) -> None:
    tea.reserve(quantity, order_id="1")

    assert Product.objects.get().stock == left
    moved = StockMovement.objects.first()
    assert moved
    assert (moved.quantity, moved.cause, moved.reference) == (-quantity, "ORDER", "1")


def test_a_reservation_takes_no_more(tea: Product) -> None:
    with pytest.raises(OutOfStock):
        tea.reserve(11, order_id="1")

    assert (tea.stock, Product.objects.get().stock) == (10, 10)
    assert StockMovement.objects.count() == 1


def test_a_release_gives_back_to_what_is_there_now(tea: Product) -> None:
    other = make_product("cup")

    Product.release(tea.pk, quantity=3, cause=StockMovement.Cause.CANCEL, order_id="1")

    assert Product.objects.get(pk=tea.pk).stock == 13
    assert Product.objects.get(pk=other.pk).stock == 10
    moved = StockMovement.objects.first()
    assert moved
    assert (moved.product, moved.quantity, moved.cause, moved.reference) == (tea, 3, "CANCEL", "1")


@pytest.mark.parametrize(
    ("stock", "is_sold_out", "is_scarce", "at_once"),
    [
        (0, True, False, 0),
        (1, False, True, 1),
        (SCARCE, False, True, SCARCE),
        (SCARCE + 1, False, False, SCARCE + 1),
        (MAX_QUANTITY, False, False, MAX_QUANTITY),
        (MAX_QUANTITY + 1, False, False, MAX_QUANTITY),
    ],
)
def test_what_is_left_is_told_to_the_piece(
    stock: int, is_sold_out: bool, is_scarce: bool, at_once: int
) -> None:
    tea = Product(stock=stock)

    assert (tea.is_sold_out, tea.is_scarce, tea.max_quantity) == (is_sold_out, is_scarce, at_once)


@pytest.mark.parametrize(
    ("quantity", "is_available"), [(1, True), (9, True), (10, True), (11, False)]
)
def test_a_quote_ends_at_the_last_piece(quantity: int, is_available: bool) -> None:
    quote = Product(stock=10, price=Decimal("9.90")).quote(quantity)

    assert quote.is_available == is_available
    assert bool(quote.shortage) != is_available
    assert (quote.unit_price, quote.total_price) == (Decimal("9.90"), Decimal("9.90") * quantity)
    assert quote.left == 10


def test_what_is_low_is_told_at_the_setting(db: None, settings: Any) -> None:
    settings.LOW_STOCK = 5
    for stock in (0, 5, 6):
        make_product(str(stock), stock=stock)
    make_product("hidden", stock=0, is_on_sale=False)

    assert list(Product.objects.low().values_list("name", flat=True)) == ["0", "5"]
    assert list(Product.objects.on_sale().values_list("name", flat=True)) == ["0", "5", "6"]
