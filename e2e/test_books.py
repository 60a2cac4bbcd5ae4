"""The desk, pressed: a difference is understood and resolved, two must agree, a file has errors."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from books.tests import bill_maker
from e2e.conftest import NewPage
from e2e.steps import (
    House,
    buy,
    confirm_at_the_cashier,
    go_to_alipay,
    log_in_at_the_cashier,
    register,
    shown_in_the_end,
)
from e2e.test_pages import assert_accessible

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
COMPUTER = {"viewport": {"width": 1280, "height": 900}}
DEVICES = pytest.mark.parametrize("device", [COMPUTER, PHONE], ids=["computer", "phone"])


def sit_down(page: Page, who: str) -> None:
    """Log in to the desk as one of the demo's staff."""
    page.goto("/admin/")
    page.fill("input[name=username]", who)
    page.fill("input[name=password]", "guitai-demo")
    page.click("#login-form [type=submit]")
    expect(page.locator("#login-form")).to_have_count(0)


def press(page: Page, button: str) -> None:
    """Press a button on the page of a row, and confirm it where it asks."""
    page.click(f".object-tools a[href$='/{button}/'], .object-tools [formaction$='/{button}/']")


def confirm(page: Page) -> None:
    page.click("#content form:has([name=csrfmiddlewaretoken]) [type=submit]:not([formaction])")


def assert_nothing_sticks_out(page: Page) -> None:
    sticks_out = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(sticks_out)


@DEVICES
def test_a_difference_is_found_understood_and_resolved(
    new_page: NewPage, house: House, tmp_path: Path, device: dict[str, object]
) -> None:
    yesterday = timezone.localdate() - timedelta(days=1)
    number = f"OTHER{len(device)}{yesterday:%Y%m%d}0000"
    row = bill_maker.paid(number, "12.34", 完成时间=f"{yesterday} 10:00:20")
    file = tmp_path / "bill.zip"
    file.write_bytes(bill_maker.bill([row], day=yesterday))
    told = house.manage("reconcile", "--date", str(yesterday), "--file", str(file))
    assert told.returncode == 1, told.stderr
    assert f"ONLY_THERE PAYMENT {number}" in told.stdout
    page = new_page(**device, bypass_csp=True)  # for axe
    sit_down(page, "owner")

    page.click(".daily-check.bad a[href*='difference']")
    page.click(f"#result_list a:has-text('{number}')")
    expect(page.locator("#content")).to_contain_text("12.34")
    assert_nothing_sticks_out(page)
    assert_accessible(page)
    press(page, "resolve")
    confirm(page)
    expect(page.locator(".errorlist")).to_be_visible()  # not without a reason
    page.fill("[name=reason]", "另一家店用同一账号收款")
    confirm(page)

    expect(page.locator(".messagelist .success")).to_be_visible()
    page.goto("/admin/")
    expect(page.locator(".daily-check a[href*='difference']")).to_have_count(0)
    again = house.manage("reconcile", "--date", str(yesterday), "--file", str(file))
    assert again.returncode == 0, again.stdout


def test_a_cashier_can_not_refund_above_the_limit_alone(new_page: NewPage, house: House) -> None:
    shop, cashier, owner = new_page(), new_page(), new_page()
    register(shop)
    number = buy(shop, house.product("Longjing"), quantity=4)  # 1072 yuan, above 1000
    go_to_alipay(shop)
    log_in_at_the_cashier(shop)
    confirm_at_the_cashier(shop)
    shop.goto(f"/order/{number}/")
    shown_in_the_end(shop, "已支付")

    sit_down(cashier, "cashier")
    cashier.goto(f"/admin/payments/payment/?q={number}")
    cashier.click("#result_list tbody th a")
    press(cashier, "refund")
    cashier.fill("[name=reason]", "整单退回")
    confirm(cashier)
    expect(cashier.locator(".messagelist .success")).to_be_visible()
    cashier.goto(f"/admin/payments/refund/?q={number}")
    cashier.click("#result_list tbody th a")
    expect(cashier.locator("#content")).to_contain_text("待审批")
    expect(cashier.locator("a[href$='/approve/']")).to_have_count(0)
    refused = cashier.goto(f"{cashier.url.partition('?')[0].replace('change', 'approve')}")
    assert refused
    assert refused.status == 403
    assert house.control(f"trades/{number}")["refund_fee"] == "0.00"

    sit_down(owner, "owner")
    owner.click("a[href*='WAITING']")
    owner.click(f"#result_list tr:has-text('{number}') th a")
    press(owner, "approve")
    confirm(owner)

    shop.reload()
    shown_in_the_end(shop, "已退款")
    trade = house.control(f"trades/{number}")
    assert trade["refund_fee"] == trade["total_amount"]


@DEVICES
def test_an_import_with_errors_says_where_and_writes_nothing(
    new_page: NewPage, house: House, tmp_path: Path, device: dict[str, object]
) -> None:
    before = house.product("Longjing")
    page = new_page(**device, bypass_csp=True)  # for axe
    sit_down(page, "clerk")
    page.goto("/admin/products/product/import/")
    file = tmp_path / "goods.csv"
    lines = [
        "id,name,price",
        f"{before['id']},{before['name']},-5",
        ",新茶,",
        f"{before['id']},x,1",
    ]
    file.write_text("\n".join(lines), encoding="gbk")

    page.set_input_files("input[type=file]", file)
    confirm(page)

    troubles = page.locator("#troubles tbody tr")
    expect(troubles).to_have_count(3)
    assert [row.locator("th").inner_text() for row in troubles.all()] == ["2", "3", "4"]
    assert house.product("Longjing") == before
    assert_nothing_sticks_out(page)
    assert_accessible(page)

    lines = ["id,name,price", f"{before['id']},{before['name']},269.00"]
    file.write_text("\n".join(lines), encoding="gbk")
    page.set_input_files("input[type=file]", file)
    confirm(page)
    expect(page.locator("#preview")).to_contain_text("269.00")
    assert house.product("Longjing") == before
    page.click("form:has([name=draft]) [type=submit]")

    assert house.product("Longjing")["price"] == "269.00"
    house.manage(
        "shell",
        "-c",
        f"from products.models import Product; Product.objects.filter(id={before['id']})"
        f".update(price='{before['price']}')",
    ).check_returncode()
