"""The goods and the movements of their stock, as files that Excel opens and that cannot run."""

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from openpyxl import load_workbook

from conftest import login, make_order, make_product
from core import spreadsheets
from products.models import Product
from users.models import User

PRODUCTS = "/admin/products/product/"
MOVEMENTS = "/admin/products/stockmovement/"


@pytest.fixture(autouse=True)
def _in_english(settings: Any) -> None:
    settings.LANGUAGE_CODE = "en"


def csv_rows(client: Client, address: str) -> list[list[str]]:
    content = client.get(address).getvalue()
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def xlsx_cells(client: Client, address: str) -> list[list[Any]]:
    content = client.get(address).getvalue()
    sheet = load_workbook(io.BytesIO(content)).active
    assert sheet
    return [list(row) for row in sheet.iter_rows()]


def test_the_goods_leave_as_csv(operators: Client, tea: Product) -> None:
    headings, row = csv_rows(operators, f"{PRODUCTS}export/csv/")

    assert headings[:3] == ["product number", "category", "name"]
    assert row == [str(tea.pk), "茶 Tea", "龙井 tea", "", "9.90", "10", "10", "Yes"]


def test_the_goods_leave_as_xlsx_with_numbers_that_are_numbers(
    operators: Client, tea: Product
) -> None:
    _headings, row = xlsx_cells(operators, f"{PRODUCTS}export/xlsx/")

    assert [cell.value for cell in row[:3]] == [tea.pk, "茶 Tea", "龙井 tea"]
    assert (row[4].value, row[4].data_type, row[4].number_format) == (9.9, "n", "0.00")


def test_what_leaves_is_what_the_list_shows(operators: Client, tea: Product) -> None:
    make_product(name="cup", is_on_sale=False)

    for query, names in {
        "": ["龙井 tea", "cup"],
        "?q=cup": ["cup"],
        "?is_on_sale__exact=1": ["龙井 tea"],
    }.items():
        rows = csv_rows(operators, f"{PRODUCTS}export/csv/{query}")[1:]

        assert sorted(row[2] for row in rows) == sorted(names)


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "'=1", " =1", "＝1", '=HYPERLINK("http://a")']
)
def test_no_cell_runs(operators: Client, db: None, name: str) -> None:
    make_product(name=name)

    written = csv_rows(operators, f"{PRODUCTS}export/csv/")[1][2]
    cell = xlsx_cells(operators, f"{PRODUCTS}export/xlsx/")[1][2]

    assert written == f"'{name}"
    assert (cell.value, cell.data_type) == (name, "s")


def test_a_sign_that_no_xlsx_holds_is_replaced(operators: Client, db: None) -> None:
    make_product(name="a\x07b")

    cell = xlsx_cells(operators, f"{PRODUCTS}export/xlsx/")[1][2]

    assert cell.value == "a\N{REPLACEMENT CHARACTER}b"


def test_too_many_rows_are_to_be_narrowed_down(
    operators: Client, tea: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheets, "MAX_WRITTEN", 0)

    response = operators.get(f"{PRODUCTS}export/csv/?q=tea", follow=True)

    assert response.redirect_chain == [(f"{PRODUCTS}?q=tea", 302)]
    assert next(iter(response.context["messages"])).level_tag == "error"


@pytest.mark.parametrize("rows", [1, 30])
def test_an_export_makes_few_statements(
    operators: Client, tea: Product, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows - 1):
        make_product()

    with django_assert_num_queries(8):
        assert len(csv_rows(operators, f"{PRODUCTS}export/csv/")) == rows + 1


def test_who_may_not_see_the_goods_may_not_take_them(db: None, tea: Product) -> None:
    staff = login(User.objects.create_user("staff", is_staff=True))

    for address in (PRODUCTS, MOVEMENTS):
        for kind in ("csv", "xlsx"):
            assert staff.get(f"{address}export/{kind}/").status_code == 403


def test_no_other_kind_of_file_leaves(operators: Client, tea: Product) -> None:
    assert operators.get(f"{PRODUCTS}export/html/").status_code == 404


# The movements of the stock


def test_the_movements_are_shown_searched_and_taken_along(
    operators: Client, operator: User, alice: User, tea: Product
) -> None:
    order = make_order(alice, tea, quantity=4)
    Product.correct(tea.pk, difference=2, reason="found two", by=operator)
    make_product(name="cup")

    for query, quantities in {
        "": ["10", "2", "-4", "10"],
        f"?product__id__exact={tea.pk}": ["2", "-4", "10"],
        f"?q={order.order_id}": ["-4"],
        "?q=found": ["2"],
        "?cause__exact=ORDER": ["-4"],
    }.items():
        page = operators.get(f"{MOVEMENTS}{query}").content.decode()
        rows = csv_rows(operators, f"{MOVEMENTS}export/csv/{query}")[1:]

        assert [row[3] for row in rows] == quantities
        assert page.count('class="field-signed"') == len(quantities)


def test_a_movement_changes_by_nobody(operators: Client, tea: Product) -> None:
    movement = tea.movements.get()

    page = operators.get(f"{MOVEMENTS}{movement.pk}/change/")
    changed = operators.post(f"{MOVEMENTS}{movement.pk}/change/", {"quantity": 1})
    deleted = operators.post(f"{MOVEMENTS}{movement.pk}/delete/", {"post": "yes"})
    added = operators.get(f"{MOVEMENTS}add/")

    assert page.status_code == 200
    assert [changed.status_code, deleted.status_code, added.status_code] == [403, 403, 403]


def test_a_product_leads_to_its_movements(operators: Client, tea: Product) -> None:
    page = operators.get(f"{PRODUCTS}{tea.pk}/change/").content.decode()

    assert f'href="{MOVEMENTS}?product__id__exact={tea.pk}"' in page


@pytest.mark.parametrize("rows", [1, 30])
def test_the_list_of_movements_makes_few_statements(
    operators: Client, tea: Product, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows - 1):
        make_product(price=str(Decimal("1.00")))

    with django_assert_num_queries(4):
        operators.get(MOVEMENTS)
