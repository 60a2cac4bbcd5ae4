"""The quantity picker: live total, wrong quantities, and what is sold while one looks."""

from typing import Any

import pytest
from playwright.sync_api import expect

from e2e.conftest import NewPage
from e2e.steps import BUY, House, ask, buy, register

WITH_AND_WITHOUT = pytest.mark.parametrize(
    "script", [True, False], ids=["JavaScript", "no JavaScript"]
)


def test_the_total_follows_the_quantity(new_page: NewPage, house: House) -> None:
    page = new_page(locale="en-GB")
    product = house.product("Longjing")
    page.goto(f"/products/{product['id']}/")

    page.fill("input[name=quantity]", "3")

    expect(page.locator("#quote")).to_contain_text(f"¥{float(product['price']) * 3:,.2f}")


def test_the_total_without_javascript(new_page: NewPage, house: House) -> None:
    page = new_page(java_script_enabled=False)
    product = house.product("Longjing")
    page.goto(f"/products/{product['id']}/")
    page.fill("input[name=quantity]", "3")

    page.click("button[formaction]")

    expect(page.locator("#quote")).to_contain_text(f"¥{float(product['price']) * 3:,.2f}")


@WITH_AND_WITHOUT
@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "", "1000"])
def test_a_wrong_quantity_is_told_beside_the_input(
    new_page: NewPage, house: House, script: bool, quantity: str
) -> None:
    page = new_page(java_script_enabled=script)
    product = house.product("Longjing")
    register(page)
    page.goto(f"/products/{product['id']}/")
    # A browser without JavaScript checks by itself; the server must be able to alone.
    page.locator("form:has(input[name=quantity])").evaluate("form => form.noValidate = true")
    page.fill("input[name=quantity]", quantity)

    page.click(BUY)

    error = page.locator("#quantity-error")
    expect(error).to_be_visible()
    expect(error).not_to_be_empty()
    expect(page.locator("input[name=quantity]")).to_have_attribute("aria-invalid", "true")
    assert house.product("Longjing")["stock"] == product["stock"]


@WITH_AND_WITHOUT
def test_sold_out_while_looking(new_page: NewPage, house: House, script: bool) -> None:
    """Two look at the last pieces; who comes second is told how many are left."""
    listed = house.product("Longjing")
    scarce = next(
        product
        for product in _all_products(house)
        if 0 < product["stock"] <= 3 and product["id"] != listed["id"]
    )
    first, second = new_page(), new_page(java_script_enabled=script)
    register(first)
    register(second)
    second.goto(f"/products/{scarce['id']}/")
    second.locator("form:has(input[name=quantity])").evaluate("form => form.noValidate = true")
    second.fill("input[name=quantity]", str(scarce["stock"]))
    number = buy(first, scarce, quantity=scarce["stock"])

    second.click(BUY)

    expect(second.locator("main")).to_contain_text("售罄")
    first.goto(f"/order/{number}/")
    first.locator("details:has(form[action$='/cancel/']) summary").click()
    first.click("form[action$='/cancel/'] button[type=submit]")
    expect(first.locator("main")).to_contain_text("已取消")


def _all_products(house: House) -> list[dict[str, Any]]:
    return ask(f"{house.shop}/api/v1/products?limit=100")["items"]
