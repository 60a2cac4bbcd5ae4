"""The orders as the accountant gets them: one row an order, amounts that add up, Beijing's time."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from openpyxl import load_workbook

from conftest import login, make_order, make_product
from orders.models import Order
from products.models import Product
from users.models import User

EXPORT = "/admin/orders/order/export/"
TRADE_NO = "2026112322001400000000000001"


@pytest.fixture(autouse=True)
def _in_english(settings: Any) -> None:
    settings.LANGUAGE_CODE = "en"


def make_paid(order: Order, *, paid_at: datetime) -> None:
    order.mark_paid(payment_method="alipay", transaction_id=TRADE_NO, paid_at=paid_at)


def xlsx(client: Client, query: str = "") -> list[dict[str, Any]]:
    content = client.get(f"{EXPORT}xlsx/{query}").getvalue()
    sheet = load_workbook(io.BytesIO(content)).active
    assert sheet
    headings, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(headings, row, strict=True)) for row in rows]


def test_an_order_is_a_row_with_its_items_and_its_payment(
    operators: Client, alice: User, tea: Product
) -> None:
    order = make_order(alice, tea, quantity=3)
    make_paid(order, paid_at=datetime(2026, 11, 22, 17, 30, 5, tzinfo=UTC))

    (row,) = xlsx(operators)

    assert row["order number"] == order.order_id
    assert (row["total (yuan)"], row["paid (yuan)"]) == (29.7, 29.7)
    assert row["paid at"] == datetime(2026, 11, 23, 1, 30, 5)  # noqa: DTZ001 (a cell has no zone)
    assert row["transaction number"] == TRADE_NO
    assert (row["pieces"], row["items"]) == (3, "3 × 龙井 tea (9.90)")
    assert row["buyer"] == "alice"


def test_an_order_that_nobody_paid_brought_nothing(
    operators: Client, alice: User, tea: Product
) -> None:
    make_order(alice, tea)

    (row,) = xlsx(operators)

    assert (row["total (yuan)"], row["paid (yuan)"], row["paid at"]) == (9.9, None, None)


def test_the_filters_of_the_list_hold_for_the_file(
    operators: Client, alice: User, tea: Product
) -> None:
    early, late = make_order(alice, tea), make_order(alice, tea)
    make_order(alice, tea)
    make_paid(early, paid_at=datetime(2026, 9, 30, 15, 59, tzinfo=UTC))  # September in Beijing too
    make_paid(late, paid_at=datetime(2026, 9, 30, 16, 1, tzinfo=UTC))  # October

    for query, expected in {
        "?status__exact=PAID": {early.order_id, late.order_id},
        "?paid_at__gte=2026-10-01+00:00:00%2B08:00": {late.order_id},
        f"?q={early.order_id}": {early.order_id},
    }.items():
        assert {row["order number"] for row in xlsx(operators, query)} == expected


def test_a_trade_number_stays_whole_in_a_csv(operators: Client, alice: User, tea: Product) -> None:
    make_paid(make_order(alice, tea), paid_at=datetime(2026, 9, 1, tzinfo=UTC))

    content = operators.get(f"{EXPORT}csv/").getvalue().decode("utf-8-sig")
    headings, row = csv.reader(io.StringIO(content))

    # Excel rounds a number of 28 digits; the tab makes it a text, as in Alipay's own bills.
    assert row[headings.index("transaction number")] == f"{TRADE_NO}\t"
    assert row[headings.index("paid at")] == "2026-09-01 08:00:00"


@pytest.mark.parametrize("rows", [1, 12])
def test_an_export_makes_few_statements(
    operators: Client, alice: User, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        make_order(alice, make_product())

    with django_assert_num_queries(8):
        assert len(xlsx(operators)) == rows


def test_a_buyer_gets_nothing(alices: Client, db: None) -> None:
    staff = login(User.objects.create_user("staff", is_staff=True))

    assert alices.get(f"{EXPORT}csv/").status_code == 302
    assert staff.get(f"{EXPORT}csv/").status_code == 403
