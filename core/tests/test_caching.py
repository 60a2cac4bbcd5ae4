"""What is somebody's is stored nowhere; what is everybody's may be."""

import pytest
from django.test import Client

from conftest import make_order
from products.models import Product
from users.models import User


@pytest.mark.parametrize(
    "page",
    ["/", "/order/", "/order/{}/", "/order/payment/{}/", "/users/account/", "/api/v1/orders"],
)
def test_what_is_somebodys_is_not_stored(
    alices: Client, alice: User, tea: Product, page: str
) -> None:
    order = make_order(alice, tea)

    answer = alices.get(page.format(order.order_id))

    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]


def test_a_refusal_is_not_stored_either(alices: Client) -> None:
    assert "no-store" in alices.get("/api/v1/orders/unknown")["Cache-Control"]


@pytest.mark.parametrize("page", ["/", "/api/v1/products"])
def test_what_is_everybodys_may_be(client: Client, tea: Product, page: str) -> None:
    assert "no-store" not in client.get(page).get("Cache-Control", "")
