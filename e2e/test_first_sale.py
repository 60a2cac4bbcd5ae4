"""The whole story: register, buy two, pay at the cashier, and the order is paid."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import NewPage
from e2e.steps import (
    BUY,
    PASSWORD,
    House,
    buy,
    confirm_at_the_cashier,
    go_to_alipay,
    leave_the_cashier,
    log_in_at_the_cashier,
    register,
)

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
SHOPPERS: dict[str, dict[str, Any]] = {
    "on a PC in Chinese": {},
    "without JavaScript": {"java_script_enabled": False},
    "on a phone in English": {**PHONE, "locale": "en-GB"},
    "on a phone without JavaScript": {**PHONE, "java_script_enabled": False},
}


@pytest.mark.parametrize("options", SHOPPERS.values(), ids=SHOPPERS.keys())
def test_register_buy_two_and_pay(new_page: NewPage, house: House, options: dict[str, Any]) -> None:
    page = new_page(**options)
    product = house.product("Longjing")
    register(page)
    number = buy(page, product, quantity=2)
    assert house.product("Longjing")["stock"] == product["stock"] - 2

    go_to_alipay(page)
    expect(page.locator("body")).to_contain_text(product["name"].split()[0])
    log_in_at_the_cashier(page)
    confirm_at_the_cashier(page)

    page.wait_for_url("**/payments/alipay/return/**")
    paid = "Paid" if options.get("locale") == "en-GB" else "已支付"
    page.goto(f"/order/{number}/")
    expect(page.locator("main")).to_contain_text(paid)
    trade = house.control(f"trades/{number}")
    assert trade["trade_status"] == "TRADE_SUCCESS"
    assert trade["total_amount"] == f"{float(product['price']) * 2:.2f}"
    expect(page.locator("main")).to_contain_text(trade["trade_no"])
    (notice,) = house.control(f"notices?out_trade_no={number}")["items"]
    assert [attempt["body"] for attempt in notice["attempts"]] == ["success"]


def test_leave_the_cashier_and_come_back_to_pay(page: Page, house: House) -> None:
    register(page)
    number = buy(page, house.product("Longjing"), quantity=1)
    go_to_alipay(page)
    log_in_at_the_cashier(page)
    leave_the_cashier(page)
    page.wait_for_url(f"{house.shop}/**")

    page.goto(f"/order/{number}/")
    go_to_alipay(page)
    confirm_at_the_cashier(page)
    page.wait_for_url("**/payments/alipay/return/**")

    page.goto(f"/order/{number}/")
    expect(page.locator("main")).to_contain_text("已支付")


def test_cancel_gives_the_stock_back(page: Page, house: House) -> None:
    product = house.product("Longjing")
    register(page)
    number = buy(page, product, quantity=3)

    page.goto(f"/order/{number}/")
    page.locator("details:has(form[action$='/cancel/']) summary").click()
    page.click("form[action$='/cancel/'] button[type=submit]")

    expect(page.locator("main")).to_contain_text("已取消")
    assert house.product("Longjing")["stock"] == product["stock"]
    expect(page.locator("form[action^='/order/payment/']")).to_have_count(0)


def test_log_in_on_the_way_and_come_back(new_page: NewPage, house: House) -> None:
    """A guest presses buy now, logs in, and stands before the product again."""
    name = register(new_page())
    page = new_page()
    product = house.product("Longjing")
    page.goto(f"/products/{product['id']}/")
    page.click(BUY)
    page.wait_for_url("**/users/login/?next=**")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("form:has(input[name=password]) button[type=submit]")

    expect(page).to_have_url(re.compile(rf"/products/{product['id']}/$"))
    page.click(BUY)
    page.wait_for_url("**/order/payment/**")
