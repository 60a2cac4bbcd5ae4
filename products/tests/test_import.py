"""A file of products: read however Excel wrote it, shown first, done wholly or not at all."""

import csv
import io
import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.translation import override
from openpyxl import Workbook, load_workbook

from conftest import login, make_order, make_product
from core import spreadsheets
from products.models import ImportDraft, Product, StockMovement
from products.spreadsheets import HEADINGS
from users.models import User

IMPORT = "/admin/products/product/import/"
EXPORT = "/admin/products/product/export/"


def csv_file(*rows: Sequence[Any], encoding: str = "utf-8", name: str = "goods.csv") -> Any:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return SimpleUploadedFile(name, text.getvalue().encode(encoding))


def xlsx_file(*rows: Sequence[Any]) -> Any:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    data = io.BytesIO()
    book.save(data)
    return SimpleUploadedFile("goods.xlsx", data.getvalue())


def upload(client: Client, file: Any) -> Any:
    return client.post(IMPORT, {"file": file})


def troubles(response: Any) -> list[tuple[int, str]]:
    """Which cells of which rows are refused, by the English headings."""
    return [(row, column) for row, column, _words in response.context["outcome"].troubles]


def confirm(client: Client, response: Any) -> Any:
    draft = response.context["outcome"].draft
    return client.post(IMPORT, {"draft": draft.pk})


def goods() -> list[tuple[str, Decimal, int]]:
    return list(Product.objects.values_list("name", "price", "stock"))


@pytest.fixture(autouse=True)
def _in_english(settings: Any) -> None:
    settings.LANGUAGE_CODE = "en"


def user_with(*permissions: str) -> Client:
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return login(user)


# What it does


@pytest.mark.parametrize("file", [csv_file, xlsx_file])
def test_a_file_is_shown_first_and_written_after_a_yes(
    operators: Client, operator: User, tea: Product, file: Any
) -> None:
    rows = (["id", "name", "price", "stock"], [tea.pk, "", "12.5", 15], ["", "杯 cup", 30, 4])

    shown = upload(operators, file(*rows))
    before = goods()
    done = confirm(operators, shown)

    assert shown.status_code == 200
    assert before == [("龙井 tea", Decimal("9.90"), 10)]
    assert done.status_code == 302
    assert goods() == [("龙井 tea", Decimal("12.50"), 15), ("杯 cup", Decimal("30.00"), 4)]
    movement = StockMovement.objects.get(cause="CORRECTION")
    assert (movement.quantity, movement.by) == (5, operator)
    assert movement.reason.endswith(file(*rows).name)
    assert LogEntry.objects.count() == 2


def test_an_export_comes_back_without_a_change(operators: Client, tea: Product) -> None:
    make_product(name='=1+1 "say", 茶', description="one\r\ntwo", is_on_sale=False, category=None)
    make_product(name="'=2")

    for kind in ("csv", "xlsx"):
        exported = operators.get(f"{EXPORT}{kind}/").getvalue()
        outcome = upload(operators, SimpleUploadedFile("b", exported)).context["outcome"]

        assert (outcome.unchanged, outcome.rows, outcome.troubles) == (3, [], [])


@pytest.mark.parametrize(("written", "read"), [("zh-hans", "en"), ("en", "zh-hans")])
def test_headings_are_known_in_every_language_and_by_key(
    operators: Client, db: None, written: str, read: str
) -> None:
    with override(written):
        by_heading = [str(HEADINGS["name"]), f" {str(HEADINGS['price']).upper()} "]

    for headings in (by_heading, ["name", "price"]):
        file = csv_file(headings, ["cup", "12"])
        response = operators.post(IMPORT, {"file": file}, headers={"accept-language": read})
        outcome = response.context["outcome"]

        assert (outcome.added, outcome.troubles) == (1, [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_a_csv_is_read_as_excel_wrote_it(operators: Client, db: None, encoding: str) -> None:
    file = csv_file(["name", "price"], ["景德镇青花碗", "88"], encoding=encoding)

    confirm(operators, upload(operators, file))

    assert goods() == [("景德镇青花碗", Decimal("88.00"), 0)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_may_be_parted_by_other_signs(operators: Client, db: None, delimiter: str) -> None:
    text = f"name{delimiter}price\n\ncup{delimiter}3\n\n"

    confirm(operators, upload(operators, SimpleUploadedFile("a.csv", text.encode())))

    assert goods() == [("cup", Decimal("3.00"), 0)]


@pytest.mark.parametrize(
    "price", ["9.90", 9.9, "¥9.90", "9.90元", "９.９", " 9.9 ", "'9.9", 9.900000000000004]
)
def test_a_number_is_understood_however_it_was_typed(
    operators: Client, db: None, price: object
) -> None:
    confirm(operators, upload(operators, xlsx_file(["name", "price"], ["cup", price])))

    assert goods() == [("cup", Decimal("9.90"), 0)]


@pytest.mark.parametrize(
    ("price", "read"),
    [("1,234.50", "1234.50"), ("¥12,345", "12345.00"), ("9,90", ""), ("1,2,3", ""), ("1234,5", "")],
)
def test_a_comma_parts_thousands_and_nothing_else(
    operators: Client, db: None, price: str, read: str
) -> None:
    shown = upload(operators, csv_file(["name", "price"], ["cup", price]))

    if read:
        confirm(operators, shown)
    else:
        assert shown.status_code == 422
    assert [str(product.price) for product in Product.objects.all()] == ([read] if read else [])


def test_an_empty_cell_changes_nothing(operators: Client, tea: Product) -> None:
    headings = ["id", "name", "price", "stock", "description", "category", "is_on_sale"]

    response = upload(operators, csv_file(headings, [tea.pk, "", "", "", "", "", ""]))

    outcome = response.context["outcome"]
    assert (outcome.unchanged, outcome.rows, outcome.draft) == (1, [], None)


# What was sold meanwhile


def test_what_was_sold_since_the_export_stays_sold(
    operators: Client, alice: User, tea: Product
) -> None:
    file = csv_file(["id", "stock", "stock_seen"], [tea.pk, 15, 10])
    make_order(alice, tea, quantity=4)

    shown = upload(operators, file)
    confirm(operators, shown)

    assert shown.context["outcome"].rows[0].changes[0][1:] == ("6", "11")
    assert Product.objects.get().stock == 11


def test_what_was_sold_since_the_preview_stays_sold(
    operators: Client, alice: User, tea: Product
) -> None:
    shown = upload(operators, csv_file(["id", "stock"], [tea.pk, 15]))
    make_order(alice, tea, quantity=4)

    confirm(operators, shown)

    assert Product.objects.get().stock == 11


def test_what_became_impossible_since_the_preview_writes_nothing(
    operators: Client, alice: User, tea: Product
) -> None:
    rows = [["", "cup", 1, ""], [tea.pk, "", "", 2]]
    shown = upload(operators, csv_file(["id", "name", "price", "stock"], *rows))
    make_order(alice, tea, quantity=4)

    response = confirm(operators, shown)

    assert response.status_code == 422
    assert troubles(response) == [(3, "stock")]
    assert goods() == [("龙井 tea", Decimal("9.90"), 6)]


def test_a_yes_counts_once(operators: Client, tea: Product) -> None:
    shown = upload(operators, csv_file(["id", "stock"], [tea.pk, 15]))

    confirm(operators, shown)
    again = confirm(operators, shown)

    assert again.status_code == 302
    assert Product.objects.get().stock == 15
    assert ImportDraft.objects.count() == 0


def test_a_yes_is_for_ones_own_file(operators: Client, tea: Product) -> None:
    other = user_with("add_product", "change_product", "view_product")
    shown = upload(operators, csv_file(["id", "price"], [tea.pk, 1]))

    confirm(other, shown)

    assert Product.objects.get().price == tea.price


# What is wrong


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("price", "0"),
        ("price", "100000000.01"),
        ("price", "1.005"),
        ("price", "-3"),
        ("price", "cheap"),
        ("price", "1e3"),
        ("price", "nan"),
        ("stock", "-1"),
        ("stock", "1000001"),
        ("stock", "1.5"),
        ("stock", "many"),
        ("name", "x" * 121),
        ("description", "x" * 4001),
        ("category", "shoes"),
        ("is_on_sale", "perhaps"),
        ("id", "999"),
        ("id", "tea"),
        ("id", "9" * 40),
    ],
)
def test_a_wrong_cell_is_named(operators: Client, tea: Product, column: str, cell: str) -> None:
    headings = ["id", "name", "price", "stock", "description", "category", "is_on_sale"]
    good: dict[str, object] = {"id": tea.pk, "price": "7"}
    wrong = {"name": "cup", "price": "7"} | {column: cell}
    rows = [[str(row.get(key, "")) for key in headings] for row in (good, wrong)]

    response = upload(operators, csv_file(headings, *rows))

    heading = {"price": "price (yuan)", "is_on_sale": "on sale", "id": "product number"}
    assert response.status_code == 422
    assert troubles(response) == [(3, heading.get(column, column))]
    assert response.context["outcome"].draft is None
    assert goods() == [("龙井 tea", Decimal("9.90"), 10)]


def test_every_wrong_cell_is_named_at_once(operators: Client, tea: Product) -> None:
    headings = ["id", "name", "price", "stock", "category"]
    rows: list[list[Any]] = [["", "cup", "0", "-1", "shoes"], [], [tea.pk, "y" * 200, "x", "", ""]]

    response = upload(operators, csv_file(headings, *rows))

    assert sorted(troubles(response)) == [
        (2, "category"),
        (2, "price (yuan)"),
        (2, "stock"),
        (4, "name"),
        (4, "price (yuan)"),
    ]
    page = response.content.decode()
    assert page.count('<tr class="wrong">') == 5


def test_a_new_product_needs_a_name_and_a_price(operators: Client, db: None) -> None:
    response = upload(operators, csv_file(["name", "price", "stock"], ["cup", "", 3], ["", 3, 3]))

    assert troubles(response) == [(2, "price (yuan)"), (3, "name")]


def test_a_product_stands_in_a_file_once(operators: Client, tea: Product) -> None:
    rows = [[tea.pk, "", 1], [tea.pk, "", 2], ["", "cup", 1], ["", "cup", 2], ["", tea.name, 2]]

    response = upload(operators, csv_file(["id", "name", "price"], *rows))

    number = "product number"
    assert troubles(response) == [(3, number), (5, number), (6, number)]


def test_a_date_where_the_stock_when_exported_was_is_named(operators: Client, tea: Product) -> None:
    headings = ["id", "price", "stock", "stock_seen"]

    response = upload(operators, xlsx_file(headings, [tea.pk, 7, "", date(2026, 1, 5)]))

    assert troubles(response) == [(2, "stock when exported")]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"id,name\n",
        b"name,colour\ncup,red\n",
        b"name,name\ncup,cup\n",
        b"name,price\ncup,1,2\n",
        b"stock,price\n1,2\n",
        b'name,price\n"cup"x,1\n',
        b"\x89PNG\r\n\x1a\n\0\0\0",
        b"PK\x03\x04 no zip",
        b"\xff\xfe\xff",
        b"name\n" + b"x" * 200_000,
        b"name,price\n" + b"cup,1\n" * 2_001,
        b"name,price\n" + b"\n" * 9_000 + b"cup,1\n",
        b"," * 5_000 + b"\n",
    ],
)
def test_what_is_no_table_is_refused_beside_the_input(
    operators: Client, db: None, content: bytes
) -> None:
    response = upload(operators, SimpleUploadedFile("goods.csv", content))

    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["file"]
    assert goods() == []


def test_a_file_that_is_too_large_is_not_read(
    operators: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheets, "MAX_FILE", 20)

    response = upload(operators, csv_file(["name", "price"], ["a cup of tea", "1"]))

    assert response.status_code == 422


def test_an_xlsx_that_unfolds_to_gigabytes_is_not_unfolded(
    operators: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheets, "MAX_UNPACKED", 2_000)

    response = upload(operators, xlsx_file(["name", "price"], ["cup", 1]))

    assert response.status_code == 422


# Who may


def test_a_clerk_who_may_not_add_products_may_not_import(db: None, tea: Product) -> None:
    clerk = user_with("view_product", "change_product", "correct_stock")

    assert clerk.get(IMPORT).status_code == 403
    assert upload(clerk, csv_file(["id", "price"], [tea.pk, 1])).status_code == 403
    assert clerk.post(IMPORT, {"draft": 1}).status_code == 403
    assert IMPORT not in clerk.get("/admin/products/product/").content.decode()


def test_who_may_not_correct_the_stock_may_not_by_a_file(db: None, tea: Product) -> None:
    clerk = user_with("view_product", "change_product", "add_product")

    response = upload(clerk, csv_file(["id", "name", "price", "stock"], [tea.pk, "", 3, 11]))
    allowed = upload(clerk, csv_file(["id", "name", "price", "stock"], ["", "cup", 3, 11]))

    assert troubles(response) == [(2, "stock")]
    assert troubles(allowed) == []


def test_a_stranger_is_sent_to_log_in(client: Client, db: None) -> None:
    response = client.get(IMPORT)

    assert response.status_code == 302
    assert re.match("/admin/login/", response["Location"])


# How it is done


def test_a_preview_of_many_rows_asks_few_questions(
    operators: Client, tea: Product, django_assert_max_num_queries: Any
) -> None:
    products = [make_product(name=f"tea {number}") for number in range(30)]
    rows = [[product.pk, product.name, 5, 10] for product in products]
    file = csv_file(["id", "name", "price", "stock"], *rows)

    # The same for any number of rows.
    with django_assert_max_num_queries(8):
        upload(operators, file)


def test_the_first_sheet_that_was_open_is_read(operators: Client, tea: Product) -> None:
    exported = operators.get(f"{EXPORT}xlsx/").getvalue()
    book = load_workbook(io.BytesIO(exported))
    book.create_sheet("notes").append(["nothing of interest"])
    data = io.BytesIO()
    book.save(data)

    outcome = upload(operators, SimpleUploadedFile("b.xlsx", data.getvalue())).context["outcome"]

    assert outcome.unchanged == 1
