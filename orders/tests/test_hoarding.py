"""A buyer holds a few unpaid orders at most: each keeps stock from everybody else."""

from typing import Any

import pytest
from django.test import Client

from conftest import make_order, make_product
from orders.models import Order
from products.models import Product
from users.models import User


@pytest.fixture(autouse=True)
def _five(settings: Any) -> None:
    settings.MAX_UNPAID_ORDERS = 5


def buy(client: Client, tea: Product, **headers: str) -> Any:
    return client.post(
        f"/order/buy/{tea.pk}/", {"quantity": 1}, "application/json", headers=headers
    )


def test_the_sixth_unpaid_order_is_refused_in_words(
    alices: Client, bobs: Client, alice: User, tea: Product
) -> None:
    answers = [buy(alices, tea).status_code for _ in range(5)]

    sixth = buy(alices, tea)

    assert answers == [201] * 5
    assert sixth.status_code == 409
    assert sixth.json()["type"].endswith("too-many-unpaid-orders")
    assert "5" in sixth.json()["detail"]
    assert Product.objects.get().stock == 5
    assert buy(bobs, tea).status_code == 201


@pytest.mark.parametrize("fate", ["cancelled", "paid"])
def test_one_that_is_settled_makes_room(
    alices: Client, alice: User, tea: Product, fate: str
) -> None:
    for _ in range(5):
        order = make_order(alice, make_product())
    if fate == "cancelled":
        order.cancel(by=alice)
    else:
        order.mark_paid(payment_method="alipay", transaction_id="1", paid_at=order.created_at)

    assert buy(alices, tea).status_code == 201


def test_a_form_is_told_on_a_page(alices: Client, alice: User, tea: Product) -> None:
    for _ in range(5):
        make_order(alice, make_product())

    page = alices.post(f"/order/buy/{tea.pk}/", {"quantity": "1"}, headers={"Accept": "text/html"})

    assert page.status_code == 409
    assert 'role="alert"' in page.content.decode()
    assert Order.objects.filter(items__product=tea).count() == 0
