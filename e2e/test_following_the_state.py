"""The pages follow the order by themselves: a late notice, another device, another tab."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import NewPage
from e2e.steps import (
    PAY,
    House,
    buy,
    confirm_at_the_cashier,
    go_to_alipay,
    log_in_at_the_cashier,
    order_id,
    register,
)


@pytest.fixture
def silent(house: House) -> Iterator[None]:
    """Alipay keeps its notices, and does not answer when it is asked."""
    house.control("notify-policy", {"drop": True}, method="PUT")
    fault = {"kind": "http_500", "method": "alipay.trade.query"}
    house.control("faults", fault, method="PUT")
    yield
    house.control("notify-policy", {}, method="PUT")
    house.control("faults", method="DELETE")


def test_a_late_notice_is_followed(page: Page, house: House, silent: None) -> None:
    register(page)
    number = buy(page, house.product("Longjing"), quantity=1)
    go_to_alipay(page)
    log_in_at_the_cashier(page)
    confirm_at_the_cashier(page)
    page.wait_for_url("**/payments/alipay/return/**")
    panel = page.locator("#panel")
    expect(panel).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("已支付")

    (notice,) = house.control(f"notices?out_trade_no={number}")["items"]
    house.control(f"notices/{notice['notify_id']}/send", {"times": 2})

    expect(page.locator("main")).to_contain_text("已支付")
    expect(page.locator("#panel[hx-get]")).to_have_count(0)


def test_the_payment_page_sees_what_another_device_paid(page: Page, house: House) -> None:
    register(page)
    number = buy(page, house.product("Longjing"), quantity=1)
    phone = page.context.new_page()
    phone.goto(page.url)
    go_to_alipay(phone)

    house.control(f"trades/{number}/pay", {})

    expect(page.locator("#panel")).to_contain_text("已支付")
    expect(page.locator(PAY)).to_have_count(0)


def test_the_order_page_sees_that_it_is_paid(page: Page, house: House) -> None:
    register(page)
    number = buy(page, house.product("Longjing"), quantity=1)
    tab = page.context.new_page()
    tab.goto(page.url)
    go_to_alipay(tab)
    page.goto(f"/order/{number}/")

    house.control(f"trades/{number}/pay", {})

    expect(page.locator("#order-status")).to_contain_text("已支付")


def test_two_tabs_pay_once(page: Page, house: House) -> None:
    """The second tab still shows the button; the shop knows better."""
    register(page)
    number = buy(page, house.product("Longjing"), quantity=1)
    other = page.context.new_page()
    other.route("**/panel/", lambda route: route.abort())
    other.goto(page.url)
    go_to_alipay(page)
    log_in_at_the_cashier(page)
    confirm_at_the_cashier(page)
    page.wait_for_url("**/payments/alipay/return/**")

    other.click(PAY)

    assert order_id(other) == number
    expect(other.locator("main")).to_contain_text("不能再支付")
    assert len(house.control(f"notices?out_trade_no={number}")["items"]) == 1


def test_without_javascript_the_page_reloads_itself(
    new_page: NewPage, house: House, silent: None
) -> None:
    page = new_page(java_script_enabled=False)
    register(page)
    number = buy(page, house.product("Longjing"), quantity=1)
    go_to_alipay(page)
    log_in_at_the_cashier(page)
    confirm_at_the_cashier(page)
    page.wait_for_url("**/payments/alipay/return/**")
    page.goto(f"/order/payment/{number}/")

    (notice,) = house.control(f"notices?out_trade_no={number}")["items"]
    house.control(f"notices/{notice['notify_id']}/send", {})

    expect(page.locator("main")).to_contain_text("已支付")
