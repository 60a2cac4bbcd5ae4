"""A stranger learns nothing: money rule 10, over every route of the shop.

Each address that names an order is asked for as its buyer, as another buyer and as nobody. A new
route must be named here, or the first test fails.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from conftest import make_order
from orders.models import Order
from payments.models.payment import Payment
from products.models import Product
from users.models import User

# By URL name: what the buyer is answered to GET and to POST.
OF_ONE_ORDER = {
    "order:detail": (200, 405),
    "order:cancel": (405, 303),
    "order:payment_page": (200, 303),
    "payments:panel": (200, 405),
    "payments:qr": (405, 409),
    "api:get_order": (200, 405),
    "api:cancel_order": (405, 200),
    "api:pay_order": (405, 200),
}
# Of the staff alone: for everybody else it is the same whether or not there is such an order.
OF_THE_STAFF = {"api:refund_order", "api:approve_refund"}


def routes(patterns: list[Any], prefix: str = "", namespace: str = "") -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            space = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            if space != "admin:":
                yield from routes(pattern.url_patterns, route, space)
        elif isinstance(pattern, URLPattern):
            yield f"{namespace}{pattern.name}", route


def test_every_route_with_an_order_is_walked() -> None:
    with_order = {
        name for name, route in routes(get_resolver().url_patterns) if "order_id" in route
    }

    assert with_order == {*OF_ONE_ORDER, *OF_THE_STAFF}


ADDRESSES = dict(routes(get_resolver().url_patterns))


@pytest.fixture
def order(alice: User, bob: User, tea: Product) -> Order:
    make_order(bob, tea)
    return make_order(alice, tea)


def address_of(name: str, order: Order) -> str:
    route = ADDRESSES[name].replace("<str:order_id>", order.order_id)
    route = route.replace("<out_request_no>", f"{order.order_id}_R1")
    return "/" + route.replace("<order_id>", order.order_id)


@pytest.mark.parametrize("name", OF_ONE_ORDER)
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["plain", "htmx"])
def test_only_the_buyer_reaches_an_order(
    alices: Client, bobs: Client, order: Order, name: str, method: str, headers: dict[str, str]
) -> None:
    address = address_of(name, order)
    expected = OF_ONE_ORDER[name][method == "post"]

    stranger = getattr(bobs, method)(address, headers=headers)
    nobody = getattr(Client(), method)(address, headers=headers)

    assert Order.objects.get(pk=order.pk).status == "UNPAID"
    assert Payment.objects.count() == 0
    if expected == 405:
        assert {stranger.status_code, nobody.status_code} <= {404, 405, 401, 302}
    else:
        assert stranger.status_code == 404
        is_told = name.startswith("api:") and not headers
        assert nobody.status_code == (401 if is_told else 200 if headers else 302)
        assert "HX-Redirect" in nobody or not headers or nobody.status_code != 200
    for response in (stranger, nobody):
        assert "9.90" not in response.content.decode()
        assert "龙井" not in response.content.decode()

    buyer = getattr(alices, method)(address, headers=headers)
    assert buyer.status_code == expected


@pytest.mark.parametrize("name", OF_THE_STAFF)
def test_only_the_staff_reaches_what_is_theirs(
    alices: Client, bobs: Client, order: Order, name: str
) -> None:
    for address in (address_of(name, order), address_of(name, Order(order_id="NOTHING"))):
        assert [client.post(address).status_code for client in (alices, bobs, Client())] == [
            403,
            403,
            401,
        ]


def test_lists_hold_ones_own_orders_alone(
    alices: Client, bobs: Client, order: Order, alice: User
) -> None:
    bobs_order = Order.objects.exclude(user=alice).get()

    page = alices.get("/order/").content.decode()
    told = alices.get("/api/v1/orders").json()

    assert order.order_id in page
    assert bobs_order.order_id not in page
    assert [each["order_id"] for each in told["items"]] == [order.order_id]
    assert bobs_order.order_id in bobs.get("/order/").content.decode()
    assert Client().get("/order/").status_code == 302
    assert Client().get("/api/v1/orders").status_code == 401


def test_the_admin_is_the_staffs(alices: Client, order: Order) -> None:
    for model in ("orders/order", "payments/payment", "payments/notice", "products/product"):
        response = alices.get(f"/admin/{model}/")
        assert (response.status_code, response["Location"].split("?")[0]) == (302, "/admin/login/")
