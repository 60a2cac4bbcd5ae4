"""A hundred buyers at once for twenty pieces, over HTTP: money rule 1."""

import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from conftest import login, make_order, make_product
from orders import checkout
from orders.models import Order
from products.models import Product
from users.models import User

BUYERS = 100
PIECES = 20


def together(calls: Sequence[Callable[..., Any]]) -> list[Any]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(lambda call: call(), calls))


def post(address: str, session: str, body: object) -> tuple[int, str, str]:
    """POST as a client with a session; return status, content type and body."""
    token = "t" * 32
    request = urllib.request.Request(
        address,
        json.dumps(body).encode(),
        {
            "Content-Type": "application/json",
            "Cookie": f"sessionid={session}; csrftoken={token}",
            "X-CSRFToken": token,
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers["Content-Type"], response.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers["Content-Type"], refusal.read().decode()


@pytest.mark.django_db(transaction=True)
def test_a_hundred_buyers_for_twenty_pieces(shop: str) -> None:
    tea = make_product(stock=PIECES)
    cup = make_product("cup", "1.00", stock=BUYERS)
    buyers = [User.objects.create_user(f"buyer{number}") for number in range(BUYERS)]
    sessions = [login(buyer).cookies["sessionid"].value for buyer in buyers]
    # Half of them buy the tea alone, half of them with a cup, in either order.
    lines = [{"product_id": tea.id, "quantity": 1}, {"product_id": cup.id, "quantity": 1}]
    calls: list[Callable[..., Any]] = [
        lambda session=session: post(f"{shop}/order/buy/{tea.id}/", session, {"quantity": 1})
        for session in sessions[::2]
    ] + [
        lambda session=session, turn=turn: post(
            f"{shop}/api/v1/orders", session, {"items": lines[::turn]}
        )
        for session, turn in zip(sessions[1::2], [1, -1] * BUYERS, strict=False)
    ]

    answers = together(calls)

    assert Counter(status for status, _, _ in answers) == {201: PIECES, 409: BUYERS - PIECES}
    refusals = [(kind, json.loads(body)) for status, kind, body in answers if status == 409]
    assert {kind for kind, _ in refusals} == {"application/problem+json"}
    assert {told["type"] for _, told in refusals} == {"urn:guitai:problem:out-of-stock"}
    tea.refresh_from_db()
    cup.refresh_from_db()
    sold_cups = Order.objects.filter(items__product=cup).count()
    assert (tea.stock, Order.objects.count()) == (0, PIECES)
    assert cup.stock + sold_cups == BUYERS


@pytest.mark.django_db(transaction=True)
def test_cancel_at_once_gives_the_stock_back_once(shop: str) -> None:
    tea = make_product(stock=PIECES)
    alice = User.objects.create_user("alice")
    order = make_order(alice, tea, quantity=5)
    session = login(alice).cookies["sessionid"].value
    address = f"{shop}/api/v1/orders/{order.order_id}/cancel"

    answers = together([lambda: post(address, session, {})] * 10)

    assert Counter(status for status, _, _ in answers) == {200: 1, 409: 9}
    assert Product.objects.get().stock == PIECES


@pytest.mark.django_db(transaction=True)
def test_orders_in_opposite_directions_do_not_deadlock() -> None:
    tea, cup = make_product(stock=50), make_product("cup", stock=50)
    alice = User.objects.create_user("alice")

    def buy_and_cancel(quantities: dict[int, int]) -> None:
        try:
            for _ in range(5):
                checkout.place_order(alice, quantities).cancel()
        finally:
            connection.close()

    there, back = {tea.id: 1, cup.id: 2}, {cup.id: 2, tea.id: 1}
    together([lambda: buy_and_cancel(there), lambda: buy_and_cancel(back)] * 4)

    assert [product.stock for product in Product.objects.order_by("id")] == [50, 50]
    assert set(Order.objects.values_list("status", flat=True)) == {"CANCELLED"}
