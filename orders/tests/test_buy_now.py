"""Buying one product at once, by each of the three audiences, and what each wrong input gets."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from conftest import login, make_order, make_product
from orders.models import Order
from products.models import Product
from users.models import User

HTMX = {"HX-Request": "true"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def buy(client: Client, product: Product, quantity: object, audience: str = "json") -> Any:
    address = f"/order/buy/{product.id}/"
    if audience == "json":
        return client.post(address, {"quantity": quantity}, content_type="application/json")
    headers = HTMX if audience == "htmx" else BROWSER
    return client.post(address, {"quantity": quantity}, headers=headers)


def assert_nothing_written(product: Product) -> None:
    stock = product.stock
    product.refresh_from_db()
    assert product.stock == stock
    assert Order.objects.count() == 0


def test_buy_now_gives_a_client_the_order(alices: Client, tea: Product) -> None:
    response = buy(alices, tea, 2)

    order = Order.objects.get()
    assert response.status_code == 201
    told = response.json()
    assert told["order_id"] == order.order_id
    assert told["payment_url"] == f"/order/payment/{order.order_id}/"
    assert told["total_price"] == "19.80"
    assert told["status"] == "UNPAID"
    assert told["items"] == [
        {
            "product_id": tea.id,
            "product_name": tea.name,
            "quantity": 2,
            "price_at_purchase": "9.90",
            "line_total": "19.80",
        }
    ]


def test_buy_now_leads_htmx_to_the_order(alices: Client, tea: Product) -> None:
    response = buy(alices, tea, 2, "htmx")

    assert response.status_code == 200
    assert response["HX-Redirect"] == f"/order/payment/{Order.objects.get().order_id}/"


@pytest.mark.parametrize("headers", [BROWSER, {}], ids=["browser", "no Accept"])
def test_buy_now_leads_a_plain_form_to_the_order(
    alices: Client, tea: Product, headers: dict[str, str]
) -> None:
    response = alices.post(f"/order/buy/{tea.id}/", {"quantity": "2"}, headers=headers)

    assert response.status_code == 303
    assert response["Location"] == f"/order/payment/{Order.objects.get().order_id}/"


@pytest.mark.parametrize("audience", ["json", "htmx", "page"])
def test_buy_now_takes_the_stock_and_the_price_of_now(
    alices: Client, tea: Product, audience: str
) -> None:
    buy(alices, tea, 3, audience)
    Product.objects.filter(pk=tea.pk).update(price=Decimal("99.00"), name="other")

    tea.refresh_from_db()
    order = Order.objects.get()
    item = order.items.get()
    assert tea.stock == 7
    assert (order.total_price, item.price_at_purchase) == (Decimal("29.70"), Decimal("9.90"))
    assert (item.quantity, item.product_name) == (3, "龙井 tea")


@pytest.mark.parametrize(
    "quantity",
    [0, -1, 1.5, 1.0, "abc", "", None, True, 10**9, 10**30, [2], {"n": 2}, "1.5", "٣", "0x1"],
    ids=repr,
)
def test_buy_now_refuses_what_is_no_quantity(
    alices: Client, tea: Product, quantity: object
) -> None:
    response = buy(alices, tea, quantity)

    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert list(response.json()["errors"]) == ["quantity"]
    assert_nothing_written(tea)


@pytest.mark.parametrize("body", ["{}", "[]", "2", '"2"', "null"])
def test_buy_now_refuses_json_without_a_quantity(alices: Client, tea: Product, body: str) -> None:
    response = alices.post(f"/order/buy/{tea.id}/", body, content_type="application/json")

    assert response.status_code == 422
    assert_nothing_written(tea)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("quantity", "application/json", 400),
        ('{"quantity": 2', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        ("[" * 100_000, "application/json", 400),
        ('{"quantity": 2}', "text/plain", 415),
        ("<quantity>2</quantity>", "application/xml", 415),
        (json.dumps({"quantity": 2, "note": "x" * 2_000_000}), "application/json", 413),
        ("quantity=2&note=" + "x" * 2_000_000, "application/x-www-form-urlencoded", 413),
    ],
    ids=["no json", "half", "bytes", "deep", "text", "xml", "2 MB of json", "2 MB of form"],
)
@pytest.mark.parametrize("enforce_csrf_checks", [True, False])
def test_buy_now_refuses_other_bodies(
    alice: User,
    tea: Product,
    body: str | bytes,
    content_type: str,
    status: int,
    enforce_csrf_checks: bool,
) -> None:
    client = login(alice, enforce_csrf_checks=enforce_csrf_checks)
    token = "t" * 32
    client.cookies["csrftoken"] = token

    response = client.post(
        f"/order/buy/{tea.id}/",
        body,
        content_type=content_type,
        headers={"X-CSRFToken": token, "Accept": "application/json"},
    )

    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert_nothing_written(tea)


def test_buy_now_refuses_more_than_there_are(alices: Client, tea: Product) -> None:
    response = buy(alices, tea, 11)

    assert response.status_code == 409
    assert response.json()["errors"] == {"quantity": ["库存仅剩 10 件。"]}
    assert_nothing_written(tea)


@pytest.mark.parametrize(
    ("quantity", "status"), [("0", 422), ("abc", 422), ("", 422), ("1.5", 422), ("11", 409)]
)
def test_buy_now_says_the_same_beside_the_input(
    alices: Client, tea: Product, quantity: str, status: int
) -> None:
    words = buy(alices, tea, quantity).json()["errors"]["quantity"][0]

    page = buy(alices, tea, quantity, "page")
    fragment = buy(alices, tea, quantity, "htmx")

    assert (page.status_code, fragment.status_code) == (status, status)
    for response in (page, fragment):
        html = response.content.decode()
        assert words in html[html.index('id="quantity-error"') :].split("</p>")[0]
        assert f'value="{quantity}"' in html
    assert "<html" in page.content.decode()
    assert "<html" not in fragment.content.decode()
    assert (fragment["HX-Retarget"], fragment["HX-Reswap"]) == ("#buy-box", "outerHTML")
    assert_nothing_written(tea)


def test_buy_now_never_reads_a_price_or_a_buyer(alices: Client, tea: Product, bob: User) -> None:
    sent = {"quantity": 1, "price": "0.01", "total_price": "0.01", "user": bob.pk, "status": "PAID"}

    response = alices.post(f"/order/buy/{tea.id}/", sent, content_type="application/json")

    order = Order.objects.get()
    assert response.status_code == 201
    assert (order.total_price, order.user.username, order.status) == (
        Decimal("9.90"),
        "alice",
        "UNPAID",
    )


def test_buy_now_finds_no_hidden_product(alices: Client, tea: Product) -> None:
    tea.is_on_sale = False
    tea.save()

    assert buy(alices, tea, 1).status_code == 404
    assert alices.post("/order/buy/999999/", {"quantity": 1}).status_code == 404
    assert alices.post(f"/order/buy/{10**30}/", {"quantity": 1}).status_code == 404
    assert_nothing_written(tea)


def test_buy_now_asks_a_stranger_to_log_in(tea: Product) -> None:
    client = Client(enforce_csrf_checks=True)
    page = f"/products/{tea.id}/"

    told = buy(client, tea, 1)
    fragment = buy(client, tea, 1, "htmx")
    form = buy(client, tea, 1, "page")

    assert (told.status_code, told["Content-Type"]) == (401, "application/problem+json")
    assert fragment["HX-Redirect"] == f"/users/login/?next={page}"
    assert (form.status_code, form["Location"]) == (302, f"/users/login/?next={page}")
    assert_nothing_written(tea)


def test_buy_now_needs_the_csrf_token(alice: User, tea: Product) -> None:
    client = login(alice, enforce_csrf_checks=True)

    told = buy(client, tea, 1)
    form = buy(client, tea, 1, "page")

    assert (told.status_code, told["Content-Type"]) == (403, "application/problem+json")
    assert form.status_code == 403
    assert_nothing_written(tea)


@pytest.mark.parametrize("by_header", [True, False], ids=["header", "field"])
@pytest.mark.parametrize("kind", ["multipart", "urlencoded", "json"])
def test_buy_now_takes_the_csrf_token(
    alice: User, tea: Product, kind: str, by_header: bool
) -> None:
    client = login(alice, enforce_csrf_checks=True)
    token = "t" * 32
    client.cookies["csrftoken"] = token
    fields = {"quantity": "1"} if by_header else {"quantity": "1", "csrfmiddlewaretoken": token}
    headers = {"X-CSRFToken": token} if by_header else {}
    address = f"/order/buy/{tea.id}/"

    if kind == "multipart":
        response = client.post(address, fields, headers=headers)
    elif kind == "urlencoded":
        form = "application/x-www-form-urlencoded"
        response = client.post(address, urlencode(fields), content_type=form, headers=headers)
    else:
        response = client.post(address, fields, content_type="application/json", headers=headers)

    # A token inside JSON is none: a page of another site could send it as text.
    expected = 403 if kind == "json" and not by_header else 201 if kind == "json" else 303
    assert response.status_code == expected


def test_buy_now_is_not_a_get(alices: Client, tea: Product) -> None:
    response = alices.get(f"/order/buy/{tea.id}/")

    assert response.status_code == 405
    assert response["Allow"] == "POST"


def test_buy_now_refuses_a_total_that_alipay_does_not_take(alices: Client) -> None:
    gold = make_product("gold", "60000000.00", stock=5)

    response = buy(alices, gold, 2)

    assert response.status_code == 422
    assert "quantity" in response.json()["errors"]
    assert_nothing_written(gold)


def test_buy_now_takes_the_largest_total(alices: Client) -> None:
    gold = make_product("gold", "50000000.00", stock=5)

    assert buy(alices, gold, 2).json()["total_price"] == "100000000.00"


@pytest.mark.parametrize("rows", [0, 30])
def test_buy_now_makes_few_statements(
    alices: Client, alice: User, tea: Product, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        make_order(alice, make_product()).cancel(by=alice)

    # session, user; BEGIN, buyer, unpaid orders, lock, stock, movement, order, item, event, COMMIT
    with django_assert_num_queries(12):
        assert buy(alices, tea, 1).status_code == 201
