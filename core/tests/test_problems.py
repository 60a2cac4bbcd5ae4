"""What a shopper with a browser is told when something is refused: a page of the shop, in words."""

import pytest
from django.test import Client

from conftest import login
from users.models import User

BROWSER = {"Accept": "text/html"}


def test_a_form_without_its_token_is_told_so(alice: User) -> None:
    client = login(alice, enforce_csrf_checks=True)

    page = client.post("/users/logout/", headers=BROWSER)
    fragment = client.post("/users/logout/", headers={"HX-Request": "true"})

    assert (page.status_code, fragment.status_code) == (403, 403)
    assert "表单已过期" in page.content.decode()
    assert "<main" in page.content.decode()
    assert "表单已过期" in fragment.content.decode()
    assert (fragment["HX-Retarget"], fragment["HX-Reswap"]) == ("#alerts", "innerHTML")
    assert "<main" not in fragment.content.decode()


@pytest.mark.parametrize("address", ["/not-there/", "/order/20260101NOTHING/", "/products/0/"])
def test_what_is_not_there_is_a_page_of_the_shop(alices: Client, address: str) -> None:
    response = alices.get(address, headers=BROWSER)

    assert response.status_code == 404
    assert "这里什么也没有" in response.content.decode()


@pytest.mark.parametrize("address", ["/", "/api/v1/products", "/payments/alipay/notify/"])
def test_a_strange_host_is_refused(client: Client, address: str) -> None:
    response = client.get(address, headers={"Host": "evil.example"})

    assert response.status_code == 400
    assert "evil.example" not in response.content.decode()


def test_a_failure_of_ours_is_a_plain_page(alices: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr("orders.views.Paginator", fail)
    alices.raise_request_exception = False

    response = alices.get("/order/", headers=BROWSER)

    assert response.status_code == 500
    assert "我们这边出了点问题" in response.content.decode()
    assert "secret" not in response.content.decode()


def test_pages_carry_a_strict_policy(client: Client, db: None) -> None:
    policy = client.get("/")["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
