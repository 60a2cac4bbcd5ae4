"""What a client reads of the goods, and what wrong questions get."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from conftest import make_product
from products.models import Product

PRODUCTS = "/api/v1/products"


def test_list_products_tells_all_of_each(client: Client, tea: Product) -> None:
    told = client.get(PRODUCTS).json()

    assert told == {
        "items": [
            {
                "id": tea.id,
                "name": "龙井 tea",
                "description": "",
                "category": "tea",
                "category_name": "茶 Tea",
                "price": "9.90",
                "stock": 10,
                "picture": None,
            }
        ],
        "count": 1,
    }


def test_list_products_hides_what_is_not_on_sale(client: Client, tea: Product) -> None:
    make_product("hidden", is_on_sale=False)

    assert [item["name"] for item in client.get(PRODUCTS).json()["items"]] == [tea.name]


def test_list_products_searches_and_filters(client: Client, tea: Product) -> None:
    make_product("cup", category=None, description="for TEA and more")
    make_product("pen", category=None)

    by_word = client.get(PRODUCTS, {"q": "tea"}).json()
    by_category = client.get(PRODUCTS, {"category": "tea"}).json()
    by_both = client.get(PRODUCTS, {"q": "pen", "category": "tea"}).json()

    assert [item["name"] for item in by_word["items"]] == [tea.name, "cup"]
    assert [item["name"] for item in by_category["items"]] == [tea.name]
    assert by_both == {"items": [], "count": 0}


def test_list_products_pages(client: Client, db: None) -> None:
    for number in range(25):
        make_product(f"product {number}")

    first = client.get(PRODUCTS).json()
    second = client.get(PRODUCTS, {"offset": 20}).json()
    beyond = client.get(PRODUCTS, {"offset": 10_000_000}).json()

    assert (len(first["items"]), first["count"]) == (20, 25)
    assert [item["name"] for item in second["items"]] == [f"product {n}" for n in range(20, 25)]
    assert beyond == {"items": [], "count": 25}


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"limit": 101}, "limit"),
        ({"limit": 0}, "limit"),
        ({"offset": -1}, "offset"),
        ({"offset": 10**30}, "offset"),
        ({"limit": "many"}, "limit"),
        ({"q": "x" * 101}, "q"),
        ({"q": "a\0b"}, "q"),
        ({"category": "\0"}, "category"),
    ],
)
def test_list_products_refuses(
    client: Client, db: None, question: dict[str, Any], field: str
) -> None:
    response = client.get(PRODUCTS, question)

    assert (response.status_code, response["Content-Type"]) == (422, "application/problem+json")
    assert list(response.json()["errors"]) == [field]


@pytest.mark.parametrize("rows", [1, 15])
def test_list_products_makes_two_statements(
    client: Client, db: None, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        make_product()

    with django_assert_num_queries(2):
        assert client.get(PRODUCTS).json()["count"] == rows


def test_get_product_finds_what_is_on_sale(client: Client, tea: Product) -> None:
    hidden = make_product("hidden", is_on_sale=False)

    assert client.get(f"{PRODUCTS}/{tea.id}").json()["name"] == tea.name
    for wrong in (hidden.id, 999_999, 10**30, "abc", "-1"):
        response = client.get(f"{PRODUCTS}/{wrong}")
        assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")


def test_quote_prices_a_quantity(client: Client, tea: Product) -> None:
    told = client.get(f"{PRODUCTS}/{tea.id}/quote", {"quantity": 3}).json()

    assert told == {
        "product_id": tea.id,
        "quantity": 3,
        "unit_price": "9.90",
        "total_price": "29.70",
        "is_available": True,
        "left": 10,
    }


def test_quote_says_when_it_can_not_be_had(client: Client, tea: Product) -> None:
    told = client.get(f"{PRODUCTS}/{tea.id}/quote", {"quantity": 11}).json()

    assert (told["is_available"], told["left"], told["total_price"]) == (False, 10, "108.90")


@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "abc", "", "1000000000", None])
def test_quote_refuses_what_is_no_quantity(
    client: Client, tea: Product, quantity: str | None
) -> None:
    question = {} if quantity is None else {"quantity": quantity}

    response = client.get(f"{PRODUCTS}/{tea.id}/quote", question)

    assert response.status_code == 422
    assert list(response.json()["errors"]) == ["quantity"]


def test_money_has_two_decimals_whatever_was_stored(client: Client, tea: Product) -> None:
    Product.objects.update(price=Decimal("10"))

    assert client.get(f"{PRODUCTS}/{tea.id}").json()["price"] == "10.00"
