"""Money that comes late, goes back, or never comes; on the phone, and by another device."""

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import NewPage
from e2e.steps import (
    PAY,
    House,
    buy,
    confirm_at_the_cashier,
    go_to_alipay,
    log_in,
    log_in_at_the_cashier,
    register,
    shown_in_the_end,
)

PHONE = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
    "user_agent": "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Mobile Safari/537.36",
}


def stock_of(house: House, name: str) -> int:
    return int(house.product(name)["stock"])


def test_an_order_expires_while_its_buyer_looks(page: Page, house: House) -> None:
    before = stock_of(house, "Longjing")
    register(page)
    number = buy(page, house.product("Longjing"), quantity=2)
    cashier = page.context.new_page()
    cashier.goto(page.url)
    go_to_alipay(cashier)
    expect(page.locator("#panel[data-state=waiting]")).to_be_visible()

    house.let_the_time_to_pay_pass(number)

    # Nobody touches the page: it says so by itself, and then stops asking.
    expect(page.locator("#panel")).to_contain_text("已取消", timeout=60_000)
    expect(page.locator(PAY)).to_have_count(0)
    expect(page.locator("#panel[hx-get]")).to_have_count(0)
    assert stock_of(house, "Longjing") == before


def test_a_late_payment_comes_back(page: Page, house: House) -> None:
    register(page)
    number = buy(page, house.product("Longjing"), quantity=1)
    order = page.context.new_page()
    order.goto(f"/order/{number}/")
    go_to_alipay(page)

    order.click("details.cancel summary")
    order.click("details.cancel button")
    expect(order.locator("main")).to_contain_text("已取消")
    log_in_at_the_cashier(page)
    confirm_at_the_cashier(page)

    shown_in_the_end(order, "已于")
    expect(order.locator("main")).to_contain_text("已取消")
    trade = house.control(f"trades/{number}")
    assert trade["refund_fee"] == trade["total_amount"]


def test_an_operator_refunds_a_part_then_the_rest(new_page: NewPage, house: House) -> None:
    page = new_page()
    register(page)
    number = buy(page, house.product("Longjing"), quantity=2)
    go_to_alipay(page)
    log_in_at_the_cashier(page)
    confirm_at_the_cashier(page)
    expect(page.locator("main")).to_contain_text("已支付")
    total = house.control(f"trades/{number}")["total_amount"]

    desk = new_page()
    log_in(desk, "operator", "guitai-demo")
    for amount in ("1.00", ""):
        desk.goto(f"/admin/payments/payment/?q={number}")
        desk.click("#result_list tbody th a")
        desk.click(".object-tools a[href$='/refund/']")
        if amount:
            desk.fill("input[name=amount]", amount)
        desk.fill("[name=reason]", "少发一件")
        desk.click("form:has(input[name=amount]) [type=submit]")
        expect(desk.locator(".messagelist .success")).to_be_visible()
        page.goto(f"/order/{number}/")
        if amount:
            shown_in_the_end(page, "¥1.00")
            expect(page.locator(".refunds")).to_contain_text("少发一件")

    shown_in_the_end(page, "已退款")
    trade = house.control(f"trades/{number}")
    assert trade["refund_fee"] == total
    assert trade["refunds"][0]["refund_amount"] == "1.00"


@pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])
def test_a_phone_pays_on_alipays_page_for_phones(
    new_page: NewPage, house: House, javascript: bool
) -> None:
    page = new_page(**PHONE, java_script_enabled=javascript)
    register(page)
    number = buy(page, house.product("Longjing"), quantity=1)

    with page.expect_request(lambda request: "gateway.do" in request.url) as sent:
        go_to_alipay(page)
    log_in_at_the_cashier(page)
    confirm_at_the_cashier(page)

    assert "alipay.trade.wap.pay" in sent.value.url
    shown_in_the_end(page, "已支付")
    assert house.control(f"trades/{number}")["trade_status"] == "TRADE_SUCCESS"


@pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])
def test_another_device_scans_the_code(new_page: NewPage, house: House, javascript: bool) -> None:
    page = new_page(java_script_enabled=javascript)
    register(page)
    buy(page, house.product("Longjing"), quantity=1)

    page.click("#pay-by-qr")
    expect(page.locator(".qr svg")).to_be_visible()
    phone = new_page(**PHONE)
    phone.goto(page.locator(".qr a").get_attribute("href") or "")
    log_in_at_the_cashier(phone)
    confirm_at_the_cashier(phone)

    if javascript:
        expect(page.locator("#panel")).to_contain_text("已支付")
    else:
        shown_in_the_end(page, "已支付")
