"""The merchant's morning: the desk tells what was sold, and leads to it."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from e2e.conftest import NewPage
from e2e.steps import (
    House,
    buy,
    confirm_at_the_cashier,
    go_to_alipay,
    log_in_at_the_cashier,
    register,
)
from e2e.test_pages import assert_accessible

OPERATOR, PASSWORD = "operator", "guitai-demo"


def open_the_desk(page: Page) -> None:
    """Log in to the admin as the demo's operator, and see its first page."""
    page.goto("/admin/")
    page.fill("input[name=username]", OPERATOR)
    page.fill("input[name=password]", PASSWORD)
    page.click("#login-form input[type=submit]")
    expect(page.locator(".desk")).to_be_visible()


def today(page: Page, when: str) -> Locator:
    """Find the number of the orders that were placed (created_at) or paid (paid_at) today."""
    return page.locator(f"section[aria-labelledby=desk-today] a[href*={when}__gte]")


def count(number: Locator) -> int:
    return int(number.locator("strong").inner_text())


def test_a_sale_is_on_the_desk_and_a_click_away(new_page: NewPage, house: House) -> None:
    desk, shop = new_page(), new_page()
    open_the_desk(desk)
    placed, paid = count(today(desk, "created_at")), count(today(desk, "paid_at"))

    register(shop)
    bought = buy(shop, house.product("Longjing"), quantity=1)
    go_to_alipay(shop)
    log_in_at_the_cashier(shop)
    confirm_at_the_cashier(shop)
    shop.wait_for_url("**/payments/alipay/return/**")
    shop.goto(f"/order/{bought}/")
    expect(shop.locator("[data-state=paid]").first).to_be_visible()
    desk.reload()

    assert count(today(desk, "created_at")) == placed + 1
    assert count(today(desk, "paid_at")) == paid + 1
    today(desk, "paid_at").click()
    rows = desk.locator("#result_list tbody tr")
    expect(rows).to_have_count(paid + 1)
    expect(rows.filter(has_text=bought)).to_have_count(1)


def test_an_order_that_waits_is_on_the_desk_and_a_click_away(
    new_page: NewPage, house: House
) -> None:
    desk, shop = new_page(), new_page()
    register(shop)
    bought = buy(shop, house.product("Longjing"), quantity=1)

    open_the_desk(desk)
    waiting = desk.locator("section[aria-labelledby=desk-today] a[href*=UNPAID]")
    told = count(waiting)
    waiting.click()

    rows = desk.locator("#result_list tbody tr")
    expect(rows).to_have_count(told)
    expect(rows.filter(has_text=bought)).to_have_count(1)


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_on_the_desk(new_page: NewPage, color_scheme: str, width: int) -> None:
    page = new_page(
        color_scheme=color_scheme, viewport={"width": width, "height": 844}, bypass_csp=True
    )
    page.goto("/admin/")
    assert_accessible(page)

    open_the_desk(page)
    page.locator(".desk details summary").click()
    page.locator(".who summary").click()
    assert_accessible(page)


@pytest.mark.parametrize("width", [390, 320])
def test_the_desk_is_no_wider_than_a_phone(new_page: NewPage, width: int) -> None:
    page = new_page(viewport={"width": width, "height": 640})
    open_the_desk(page)

    page.locator(".desk details summary").click()

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_desk_speaks_both_languages(page: Page) -> None:
    open_the_desk(page)
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")

    page.click("#user-tools button[name=language]")

    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page).to_have_url(re.compile("/admin/$"))
    expect(page.locator("h1")).to_have_text("The operator's desk")
