"""Many products at once: shown as old → new first, done only for what was shown."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from conftest import login, make_order, make_product
from products import bulk
from products.models import Product, StockMovement
from users.models import User

LIST = "/admin/products/product/"


def step(client: Client, action: str, ids: list[int], **fields: Any) -> Any:
    return client.post(LIST, {"action": action, "_selected_action": ids} | fields)


def seen(response: Any) -> list[str]:
    return re.findall(r'name="seen" value="([^"]+)"', response.content.decode())


def prices() -> list[str]:
    return [str(price) for price in Product.objects.values_list("price", flat=True)]


def stocks() -> list[int]:
    return list(Product.objects.values_list("stock", flat=True))


@pytest.fixture
def clerk(db: None) -> Client:
    """Somebody who sees the goods and corrects the stock, and may do no more."""
    user = User.objects.create_user("clerk", is_staff=True)
    codes = ("view_product", "correct_stock", "view_stockmovement")
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    return login(user)


def test_prices_change_after_they_were_shown(operators: Client, tea: Product) -> None:
    cup = make_product(price="0.05")
    ids = [tea.pk, cup.pk]

    asked = step(operators, "change_prices", ids)
    shown = step(operators, "change_prices", ids, percent="10", step="preview")
    before = prices()
    done = step(operators, "change_prices", ids, percent="10", step="do", seen=seen(shown))

    assert asked.status_code == 200
    assert seen(shown) == [f"{tea.pk}:9.90", f"{cup.pk}:0.05"]
    assert before == ["9.90", "0.05"]
    assert done.status_code == 302
    assert prices() == ["10.89", "0.06"]  # 0.055, half up
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize(
    ("old", "percent", "new"),
    [
        ("9.90", "10", "10.89"),
        ("0.05", "10", "0.06"),
        ("0.15", "-50", "0.08"),
        ("1", "0.5", "1.01"),
    ],
)
def test_a_price_is_rounded_half_up(old: str, percent: str, new: str) -> None:
    product = Product(pk=1, price=Decimal(old))

    assert bulk.price_change(product, Decimal(percent)).new == Decimal(new)


@pytest.mark.parametrize("percent", ["", "0", "-96", "901", "ten", "1.234", "nan"])
def test_a_percentage_that_makes_no_sense_is_refused(
    operators: Client, tea: Product, percent: str
) -> None:
    for which in ("preview", "do"):
        response = step(operators, "change_prices", [tea.pk], percent=percent, step=which)

        assert list(response.context["form"].errors) == ["percent"]
    assert prices() == ["9.90"]


@pytest.mark.parametrize(("price", "percent"), [("0.01", "-90"), ("99999999", "10")])
def test_no_price_leaves_its_bounds_and_none_changes_then(
    operators: Client, tea: Product, price: str, percent: str
) -> None:
    other = make_product(price=price)
    ids = [tea.pk, other.pk]

    shown = step(operators, "change_prices", ids, percent=percent, step="preview")
    response = step(operators, "change_prices", ids, percent=percent, step="do", seen=seen(shown))

    assert not shown.context["is_possible"]
    assert response.status_code == 200
    assert prices() == ["9.90", str(Decimal(price).quantize(Decimal("0.01")))]


def test_the_same_form_sent_twice_changes_prices_once(operators: Client, tea: Product) -> None:
    shown = step(operators, "change_prices", [tea.pk], percent="10", step="preview")
    form = {"percent": "10", "step": "do", "seen": seen(shown)}

    step(operators, "change_prices", [tea.pk], **form)
    again = step(operators, "change_prices", [tea.pk], **form)

    assert again.status_code == 200
    assert seen(again) == [f"{tea.pk}:10.89"]
    assert prices() == ["10.89"]


def test_the_stock_is_corrected_with_a_reason(clerk: Client, tea: Product) -> None:
    cup = make_product(stock=3)
    ids = [tea.pk, cup.pk]
    form = {"difference": "-2", "reason": "broken"}

    shown = step(clerk, "correct_stock", ids, **form, step="preview")
    done = step(clerk, "correct_stock", ids, **form, step="do", seen=seen(shown))

    assert done.status_code == 302
    assert stocks() == [8, 1]
    movements = StockMovement.objects.filter(cause="CORRECTION")
    assert {(m.quantity, m.reason, str(m.by)) for m in movements} == {(-2, "broken", "clerk")}
    assert movements.count() == 2


def test_a_correction_needs_a_reason(clerk: Client, tea: Product) -> None:
    response = step(clerk, "correct_stock", [tea.pk], difference="1", reason=" ", step="do")

    assert list(response.context["form"].errors) == ["reason"]
    assert stocks() == [10]


def test_a_sale_meanwhile_is_shown_before_the_stock_is_corrected(
    clerk: Client, alice: User, tea: Product
) -> None:
    form = {"difference": "-8", "reason": "lost"}
    shown = step(clerk, "correct_stock", [tea.pk], **form, step="preview")
    make_order(alice, tea, quantity=4)

    response = step(clerk, "correct_stock", [tea.pk], **form, step="do", seen=seen(shown))

    assert shown.context["is_possible"]
    assert not response.context["is_possible"]
    assert seen(response) == [f"{tea.pk}:6"]
    assert stocks() == [6]


@pytest.mark.parametrize("difference", ["-11", "999991"])
def test_no_stock_leaves_its_bounds(clerk: Client, tea: Product, difference: str) -> None:
    form = {"difference": difference, "reason": "x"}

    shown = step(clerk, "correct_stock", [tea.pk], **form, step="preview")
    response = step(clerk, "correct_stock", [tea.pk], **form, step="do", seen=seen(shown))

    assert not shown.context["is_possible"]
    assert response.status_code == 200
    assert stocks() == [10]


def test_who_may_not_change_products_may_not_change_their_prices(
    clerk: Client, tea: Product
) -> None:
    form = {"percent": "10", "step": "do", "seen": f"{tea.pk}:9.90"}

    step(clerk, "change_prices", [tea.pk], **form)

    page = clerk.get(LIST).content.decode()
    assert prices() == ["9.90"]
    assert 'value="correct_stock"' in page
    assert 'value="change_prices"' not in page


def test_who_may_not_correct_the_stock_can_not(db: None, tea: Product) -> None:
    user = User.objects.create_user("seller", is_staff=True)
    codes = ("view_product", "change_product")
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    seller = login(user)
    edit = {"name": "x", "price": "2", "stock": 99, "initial-stock": 10, "reason": "why not"}
    row = {
        "form-TOTAL_FORMS": 1,
        "form-INITIAL_FORMS": 1,
        "_save": "Save",
        "form-0-id": tea.pk,
        "form-0-price": "3",
    }
    form = {"difference": "5", "reason": "x", "step": "do", "seen": f"{tea.pk}:10"}

    step(seller, "correct_stock", [tea.pk], **form)
    seller.post(f"{LIST}{tea.pk}/change/", edit)
    after_its_page = prices()
    seller.post(LIST, row)

    assert stocks() == [10]
    assert (after_its_page, prices()) == (["2.00"], ["3.00"])
    assert not StockMovement.objects.filter(cause="CORRECTION").exists()


def test_many_products_are_read_at_once(
    operators: Client, tea: Product, django_assert_num_queries: Any
) -> None:
    for count in (1, 20):
        ids = [make_product().pk for _ in range(count)]
        with django_assert_num_queries(7):
            step(operators, "change_prices", ids, percent="10", step="preview")


def test_no_more_than_can_be_looked_at_are_changed(
    operators: Client, tea: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST", 1)

    response = step(operators, "change_prices", [tea.pk, make_product().pk])

    assert response.status_code == 302


# One product's own page


def edit(product: Product, **changes: Any) -> dict[str, Any]:
    return {
        "name": product.name,
        "price": product.price,
        "stock": product.stock,
        "initial-stock": product.stock,
        "is_on_sale": "on",
    } | changes


def test_the_page_of_a_product_asks_why_its_stock_changes(operators: Client, tea: Product) -> None:
    address = f"{LIST}{tea.pk}/change/"

    refused = operators.post(address, edit(tea, stock=12))
    accepted = operators.post(address, edit(tea, stock=12, reason="found two"))

    assert list(refused.context["adminform"].form.errors) == ["reason"]
    assert accepted.status_code == 302
    movement = StockMovement.objects.get(cause="CORRECTION")
    assert (movement.quantity, movement.reason) == (2, "found two")
    assert stocks() == [12]


def test_a_product_with_the_same_stock_needs_no_reason(operators: Client, tea: Product) -> None:
    response = operators.post(f"{LIST}{tea.pk}/change/", edit(tea, price="3"))

    assert response.status_code == 302
    assert prices() == ["3.00"]
