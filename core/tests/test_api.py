"""The shape of the API: every refusal is problem+json, and the OpenAPI document says so."""

import json
from typing import Any

import pytest
from django.test import Client

from conftest import make_order, make_product
from core.api import api
from orders.models import Order
from products.models import Product
from users.models import User


def schema() -> dict[str, Any]:
    return json.loads(json.dumps(api.get_openapi_schema(), default=str))


def test_the_document_lists_every_operation(client: Client) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]

    assert {(method, path) for path, operations in paths.items() for method in operations} == {
        ("post", "/api/v1/users"),
        ("get", "/api/v1/products"),
        ("get", "/api/v1/products/{product_id}"),
        ("get", "/api/v1/products/{product_id}/quote"),
        ("post", "/order/buy/{product_id}/"),
        ("post", "/api/v1/orders"),
        ("get", "/api/v1/orders"),
        ("get", "/api/v1/orders/{order_id}"),
        ("post", "/api/v1/orders/{order_id}/cancel"),
        ("post", "/api/v1/orders/{order_id}/payment"),
        ("post", "/api/v1/orders/{order_id}/refunds"),
        ("post", "/api/v1/orders/{order_id}/refunds/{out_request_no}/approve"),
    }


def test_the_document_declares_each_refusal_as_a_problem() -> None:
    for path, operations in schema()["paths"].items():
        for operation in operations.values():
            refusals = {
                status: list(response["content"])
                for status, response in operation["responses"].items()
                if int(status) >= 400
            }
            assert refusals, path
            assert set(map(tuple, refusals.values())) == {("application/problem+json",)}, path


def test_the_docs_load_from_the_machine_itself(client: Client) -> None:
    page = client.get("/api/docs").content.decode()

    assert "/static/ninja/swagger-ui-bundle.js" in page
    assert "//cdn" not in page


def test_a_problem_has_the_members_of_rfc_9457(alices: Client, tea: Product) -> None:
    response = alices.post(
        f"/order/buy/{tea.id}/",
        {"quantity": 0},
        content_type="application/json",
        headers={"Accept-Language": "en"},
    )

    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": "urn:guitai:problem:invalid-input",
        "title": "Something in the input is not right",
        "status": 422,
        "detail": "Enter 1 or more.",
        "errors": {"quantity": ["Enter 1 or more."]},
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/api/v1/nothing", 404),
        ("get", "/api/v1/products/0", 404),
        ("delete", "/api/v1/products", 405),
        ("get", "/api/v1/orders/20260101NOTHING", 404),
        ("post", "/api/v1/orders/20260101NOTHING/cancel", 404),
    ],
)
def test_what_is_not_there_is_a_problem_too(
    alices: Client, method: str, path: str, status: int
) -> None:
    response = getattr(alices, method)(path)

    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert response.json()["status"] == status


def test_a_failure_of_ours_is_a_problem_without_a_traceback(
    alices: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr("core.operations.Page.of", fail)
    alices.raise_request_exception = False

    response = alices.get("/api/v1/orders")

    assert (response.status_code, response["Content-Type"]) == (500, "application/problem+json")
    assert "secret" not in response.content.decode()


def test_place_order_takes_several_products(alices: Client, tea: Product) -> None:
    cup = make_product("cup", "25.00", stock=2)
    lines = [{"product_id": cup.id, "quantity": 2}, {"product_id": tea.id, "quantity": 1}]

    told = alices.post("/api/v1/orders", {"items": lines}, content_type="application/json").json()

    assert told["total_price"] == "59.90"
    assert [item["product_name"] for item in told["items"]] == [tea.name, "cup"]
    assert [product.stock for product in Product.objects.order_by("id")] == [9, 0]


@pytest.mark.parametrize(
    ("items", "status"),
    [
        ([], 422),
        ({}, 422),
        (None, 422),
        ([{}], 422),
        ([{"product_id": "tea", "quantity": 1}], 422),
        ([{"product_id": "TEA", "quantity": 0}], 422),
        ([{"product_id": "TEA", "quantity": True}], 422),
        ([{"product_id": True, "quantity": 1}], 422),
        ([{"product_id": "TEA", "quantity": 1}] * 2, 422),
        ([{"product_id": 10**30, "quantity": 1}], 422),
        ([{"product_id": 999999, "quantity": 1}], 404),
        ([{"product_id": "TEA", "quantity": 1}, {"product_id": 999999, "quantity": 1}], 404),
        ([{"product_id": "TEA", "quantity": 11}], 409),
        ([{"product_id": n, "quantity": 1} for n in range(1, 52)], 422),
    ],
)
def test_place_order_refuses_all_or_nothing(
    alices: Client, tea: Product, items: Any, status: int
) -> None:
    body = json.dumps({"items": items}).replace('"TEA"', str(tea.id))

    response = alices.post("/api/v1/orders", body, content_type="application/json")

    tea.refresh_from_db()
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert (Order.objects.count(), tea.stock) == (0, 10)


def test_cancel_order_by_the_api(alices: Client, alice: User, tea: Product) -> None:
    order = make_order(alice, tea, quantity=4)
    address = f"/api/v1/orders/{order.order_id}/cancel"

    first, second = alices.post(address), alices.post(address)

    tea.refresh_from_db()
    assert (first.status_code, first.json()["status"]) == (200, "CANCELLED")
    assert (second.status_code, second["Content-Type"]) == (409, "application/problem+json")
    assert tea.stock == 10


@pytest.mark.parametrize("rows", [1, 3])
def test_list_orders_makes_few_statements(
    alices: Client, alice: User, tea: Product, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        make_order(alice, tea)

    # session, user, orders, items, count
    with django_assert_num_queries(5):
        assert alices.get("/api/v1/orders").json()["count"] == rows
