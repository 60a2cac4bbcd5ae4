"""The catalogue and the product page, whole or as fragments."""

from typing import Any

import pytest
from django.test import Client

from conftest import make_product
from products.models import Category, Product

HTMX = {"HX-Request": "true"}


def names(response: Any) -> list[str]:
    return [product.name for product in response.context["page_obj"]]


def test_product_list_searches_filters_and_pages(client: Client, tea: Product) -> None:
    Category.objects.create(name="Cups", slug="cups")
    for number in range(13):
        make_product(f"cup {number}", category=Category.objects.get(slug="cups"))

    assert names(client.get("/", {"q": "TEA"})) == [tea.name]
    assert names(client.get("/", {"category": "tea"})) == [tea.name]
    assert len(names(client.get("/"))) == 12
    assert names(client.get("/", {"page": 2})) == ["cup 11", "cup 12"]
    assert names(client.get("/", {"category": "cups", "page": "2"})) == ["cup 12"]


@pytest.mark.parametrize(
    "question",
    [{"page": "x"}, {"page": "-1"}, {"page": str(10**30)}, {"q": "\0"}, {"category": "\0"}],
)
def test_product_list_bears_any_question(
    client: Client, tea: Product, question: dict[str, str]
) -> None:
    assert client.get("/", question).status_code == 200


def test_product_list_gives_htmx_the_results_alone(client: Client, tea: Product) -> None:
    page = client.get("/").content.decode()
    fragment = client.get("/", headers=HTMX).content.decode()
    restored = client.get("/", headers={**HTMX, "HX-History-Restore-Request": "true"})

    assert "<html" in page
    assert "<html" in restored.content.decode()
    assert "<html" not in fragment
    assert 'id="results"' in fragment
    assert tea.name in fragment


def test_pages_vary_by_audience(client: Client, tea: Product) -> None:
    vary = client.get("/")["Vary"]

    assert {"HX-Request", "HX-History-Restore-Request", "Cookie"} <= set(vary.split(", "))


def test_product_detail_shows_the_quantity_picker(client: Client, tea: Product) -> None:
    page = client.get(f"/products/{tea.id}/").content.decode()

    assert "¥9.90" in page
    assert 'name="quantity"' in page
    assert 'min="1"' in page
    assert 'max="10"' in page
    assert f'action="/order/buy/{tea.id}/"' in page


def test_product_detail_totals_without_javascript(client: Client, tea: Product) -> None:
    page = client.get(f"/products/{tea.id}/", {"quantity": "3"}).content.decode()

    assert "¥29.70" in page


@pytest.mark.parametrize("quantity", ["0", "abc", "", "1.5", "11", "\0"])
def test_product_detail_says_what_is_wrong_beside_the_input(
    client: Client, tea: Product, quantity: str
) -> None:
    response = client.get(f"/products/{tea.id}/", {"quantity": quantity})

    assert response.status_code == 200
    assert response.context["quantity_error"]
    assert str(response.context["quantity_error"]) in response.content.decode()


def test_product_detail_says_how_few_are_left(client: Client, db: None) -> None:
    few, none, many = make_product(stock=3), make_product(stock=0), make_product(stock=30)
    english = {"Accept-Language": "en"}

    pages = [
        client.get(f"/products/{product.id}/", headers=english).content.decode()
        for product in (few, none, many)
    ]

    assert "Only 3 left" in pages[0]
    assert "Sold out" in pages[1]
    assert 'name="quantity"' not in pages[1]
    assert "left" not in pages[2].split("<main")[1].split("</main")[0].lower().replace("left-", "")


def test_product_detail_finds_no_hidden_product(client: Client, db: None) -> None:
    hidden = make_product(is_on_sale=False)

    assert client.get(f"/products/{hidden.id}/").status_code == 404
    assert client.get("/products/999999/").status_code == 404


@pytest.mark.parametrize("rows", [1, 15])
def test_pages_make_few_statements(
    client: Client, tea: Product, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        make_product()

    with django_assert_num_queries(1):
        client.get(f"/products/{tea.id}/")
    with django_assert_num_queries(3):
        client.get("/")


def test_quote_gives_htmx_the_total_and_the_words(client: Client, tea: Product) -> None:
    address = f"/api/v1/products/{tea.id}/quote"

    good = client.get(address, {"quantity": 2}, headers=HTMX)
    short = client.get(address, {"quantity": 11}, headers=HTMX)
    wrong = client.get(address, {"quantity": "abc"}, headers=HTMX)

    assert "¥19.80" in good.content.decode()
    assert "10" in short.content.decode()
    assert (wrong.status_code, wrong["HX-Retarget"]) == (422, "#quote")
    for response in (good, short, wrong):
        html = response.content.decode()
        assert 'id="quote"' in html
        assert 'id="quantity-error"' in html
        assert "<html" not in html
