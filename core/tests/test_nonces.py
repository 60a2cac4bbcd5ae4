"""A script runs by the nonce of its response, and only what a template says has one."""

import re
from typing import Any

import pytest
from django.template import engines
from django.test import Client

from core.nonces import with_nonces
from products.models import Product

SCRIPT = re.compile(r"<script\b[^>]*>")


def nonce_of(response: Any) -> str:
    found = re.search(r"script-src 'nonce-([^']+)'(;|$)", response["Content-Security-Policy"])
    assert found
    return found[1]


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/products/{}/",
        "/users/login/",
        "/not-there/",
        "/api/docs",
        "/admin/",
        "/admin/products/product/",
        "/admin/products/product/{}/change/",
        "/admin/products/product/{}/delete/",
        "/admin/users/user/add/",
    ],
)
def test_every_script_of_a_page_has_its_nonce(
    operators: Client, tea: Product, address: str
) -> None:
    response: Any = operators.get(address.format(tea.pk))

    nonce = nonce_of(response)
    scripts = SCRIPT.findall(response.content.decode())
    assert scripts
    assert [script for script in scripts if f'nonce="{nonce}"' not in script] == []


def test_each_response_has_a_nonce_of_its_own(client: Client, db: None) -> None:
    assert nonce_of(client.get("/")) != nonce_of(client.get("/"))


def test_no_script_runs_where_there_is_none(client: Client, db: None) -> None:
    policy = client.get("/api/v1/products")["Content-Security-Policy"]

    assert "script-src" in [directive.strip() for directive in policy.split(";")]


@pytest.mark.parametrize("data", ["<script src='ours.js'>", "{% now 'Y' %}<SCRIPT>", "{{ media }}"])
def test_what_is_put_into_a_template_gets_none(data: str) -> None:
    source = with_nonces("{% autoescape off %}<script src='a.js'>{{ data }}{% endautoescape %}")

    page = engines["django"].from_string(source).render({"data": data, "csp_nonce": "n0nce"})

    assert page == f"<script nonce=\"n0nce\" src='a.js'>{data}"
