"""A shopper gives an address, and the letter about the next order leads to paying it."""

import re
import time

from playwright.sync_api import Page, expect

from e2e.steps import PASSWORD, PAY, House, buy, register

# The worker looks four times a minute.
PATIENCE = 45  # seconds


def address_in_letter(house: House, pattern: str) -> str:
    """Wait until a letter has such an address, and return it."""
    for _ in range(PATIENCE * 5):
        if found := re.search(pattern, house.mail.read_text(encoding="utf-8", errors="replace")):
            return found[0]
        time.sleep(0.2)
    raise AssertionError(f"No letter has {pattern}")


def test_a_letter_leads_to_paying(page: Page, house: House) -> None:
    name = register(page)
    page.click("details.menu summary")
    page.click("a[href='/users/account/']")
    page.fill("input[name=email]", f"{name}@example.com")
    page.fill("input[name=password]", PASSWORD)
    page.click("form:has(input[name=email]) button[type=submit]")
    expect(page.locator("#alerts [role=status]")).to_be_visible()
    expect(page.locator("input[name=email]")).to_have_value(f"{name}@example.com")
    number = buy(page, house.product("Longjing"), quantity=1)

    page.goto(address_in_letter(house, rf"{house.shop}/order/payment/{number}/"))

    expect(page.locator(PAY)).to_be_visible()
    assert f"To: {name}@example.com" in house.mail.read_text(encoding="utf-8", errors="replace")
