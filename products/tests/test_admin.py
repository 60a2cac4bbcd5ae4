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
        "initial-form-0-price": product.price,
        "form-0-is_on_sale": "on",
        "initial-form-0-is_on_sale": "True",
        "_save": "Save",
    } | {f"form-0-{name}": value for name, value in changes.items()}


def test_the_list_changes_no_stock_since_it_asks_for_no_reason(
    operators: Client, tea: Product
) -> None:
    assert 'name="form-0-stock"' not in operators.get(LIST).content.decode()

    operators.post(LIST, row(tea, stock=99, price="12.00"))

    tea.refresh_from_db()
    assert (tea.stock, str(tea.price)) == (10, "12.00")


def test_a_price_edit_keeps_what_was_sold_meanwhile(
    operators: Client, alice: User, tea: Product
) -> None:
    edit = row(tea, price="12.00")
    make_order(alice, tea, quantity=4)

    response = operators.post(LIST, edit)

    tea.refresh_from_db()
    assert response.status_code == 302
    assert (tea.stock, str(tea.price)) == (6, "12.00")


def test_a_row_that_was_not_touched_keeps_what_others_changed(
    operators: Client, tea: Product
) -> None:
    shown = operators.get(LIST).content.decode()
    edit = row(tea) | {"form-0-is_on_sale": ""}
    Product.objects.update(price="300.00")

    operators.post(LIST, edit)

    tea.refresh_from_db()
    assert 'name="initial-form-0-price"' in shown
    assert (str(tea.price), tea.is_on_sale) == ("300.00", False)


def test_the_page_of_a_product_keeps_what_others_changed(operators: Client, tea: Product) -> None:
    page = operators.get(f"{LIST}{tea.pk}/change/").context["adminform"].form
    form = {name: page[name].value() or "" for name in page.fields if name != "picture"}
    seen = {page[name].html_initial_name: value for name, value in form.items()}
    Product.objects.update(price="300.00")

    operators.post(f"{LIST}{tea.pk}/change/", {**form, **seen, "description": "new"})

    tea.refresh_from_db()
    assert (str(tea.price), tea.description) == ("300.00", "new")


@pytest.mark.parametrize("changes", [{"price": "0.00"}, {"price": "1.001"}, {"price": "many"}])
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
