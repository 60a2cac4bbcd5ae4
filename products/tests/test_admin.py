"""The operator's list of goods: an edit must never undo a sale."""

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from conftest import make_order, make_product
from products.models import Product
from users.models import User

LIST = "/admin/products/product/"


def row(product: Product, **changes: object) -> dict[str, object]:
    """What the operator's browser posts for one row of the list."""
    return {
        "form-TOTAL_FORMS": 1,
        "form-INITIAL_FORMS": 1,
        "form-0-id": product.id,
        "form-0-price": product.price,
        "form-0-stock": product.stock,
        "initial-form-0-stock": product.stock,
        "form-0-is_on_sale": "on",
        "_save": "Save",
    } | {f"form-0-{name}": value for name, value in changes.items()}


def test_the_list_remembers_the_stock_that_was_seen(operators: Client, tea: Product) -> None:
    page = operators.get(LIST).content.decode()

    assert 'name="form-0-stock"' in page
    assert 'name="initial-form-0-stock"' in page


def test_a_price_edit_keeps_what_was_sold_meanwhile(
    operators: Client, alice: User, tea: Product
) -> None:
    edit = row(tea, price="12.00")
    make_order(alice, tea, quantity=4)

    response = operators.post(LIST, edit)

    tea.refresh_from_db()
    assert response.status_code == 302
    assert (tea.stock, str(tea.price)) == (6, "12.00")


def test_a_stock_edit_is_a_difference(operators: Client, alice: User, tea: Product) -> None:
    edit = row(tea, stock=15)
    make_order(alice, tea, quantity=4)

    operators.post(LIST, edit)

    tea.refresh_from_db()
    assert tea.stock == 11


def test_a_stock_edit_can_not_go_below_zero(operators: Client, alice: User, tea: Product) -> None:
    edit = row(tea, stock=0)
    make_order(alice, tea, quantity=4)

    response = operators.post(LIST, edit, follow=True)

    tea.refresh_from_db()
    assert tea.stock == 6
    assert next(iter(response.context["messages"])).level_tag == "error"


@pytest.mark.parametrize(
    "changes", [{"price": "0.00"}, {"price": "1.001"}, {"stock": "-1"}, {"stock": "many"}]
)
def test_the_list_refuses(operators: Client, tea: Product, changes: dict[str, object]) -> None:
    response = operators.post(LIST, row(tea, **changes))

    assert response.status_code == 200
    assert Product.objects.values("stock", "price").get() == {"stock": 10, "price": tea.price}


def picture_file(kind: str = "WEBP") -> SimpleUploadedFile:
    data = io.BytesIO()
    Image.new("RGB", (240, 240), "teal").save(data, kind)
    return SimpleUploadedFile(f"tea.{kind.lower()}", data.getvalue())


def product_form(**changes: Any) -> dict[str, Any]:
    return {
        "name": "cup",
        "description": "",
        "price": "1.00",
        "stock": "3",
        "initial-stock": "0",
        "is_on_sale": "on",
        "picture": picture_file(),
    } | changes


def test_a_product_is_added_with_its_picture(operators: Client, db: None) -> None:
    response = operators.post(f"{LIST}add/", product_form())

    product = Product.objects.get()
    page = operators.get(LIST).content.decode()
    assert response.status_code == 302
    assert (product.name, product.stock) == ("cup", 3)
    assert f'src="{product.picture.url}"' in page


def test_a_picture_must_be_one(operators: Client, db: None) -> None:
    script = SimpleUploadedFile("tea.svg", b"<svg onload='alert(1)'/>")

    response = operators.post(f"{LIST}add/", product_form(picture=script))

    assert response.status_code == 200
    assert Product.objects.count() == 0


@pytest.mark.parametrize("rows", [1, 12])
def test_the_list_makes_few_statements(
    operators: Client, tea: Product, rows: int, django_assert_max_num_queries: Any
) -> None:
    for _ in range(rows):
        make_product()

    with django_assert_max_num_queries(9):
        operators.get(LIST)
