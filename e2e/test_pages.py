"""Every page: what axe finds (nothing), in light and dark, and what the catalogue does."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from e2e.conftest import NewPage
from e2e.steps import House, buy, register

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPEN_TO_ALL = [
    "/",
    "/?q=tea",
    "/?q=nothing-like-this",
    "/users/register/",
    "/users/login/",
    "/users/password/reset/",
    "/users/password/reset/done/",
    "/users/password/reset/complete/",
    "/users/password/reset/MQ/wrong/",
    "/not-there/",
    "/payments/alipay/return/",
]


def assert_accessible(page: Page) -> None:
    results = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG}})
    assert results.violations_count == 0, f"{page.url}\n{results.generate_report()}"


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(new_page: NewPage, house: House, color_scheme: str, width: int) -> None:
    page = new_page(
        color_scheme=color_scheme, viewport={"width": width, "height": 844}, bypass_csp=True
    )
    listed = house.product("Longjing")
    for address in [*OPEN_TO_ALL, f"/products/{listed['id']}/?quantity=0"]:
        page.goto(address)
        assert_accessible(page)

    register(page)
    page.goto("/order/")
    assert_accessible(page)
    number = buy(page, listed, quantity=1)
    for address in (
        f"/order/payment/{number}/",
        f"/order/{number}/",
        "/order/",
        "/users/password/change/",
        "/users/password/change/done/",
        "/users/account/",
    ):
        page.goto(address)
        assert_accessible(page)
    page.goto(f"/order/{number}/")
    page.locator("details:has(form[action$='/cancel/']) summary").click()
    assert_accessible(page)
    page.click("form[action$='/cancel/'] button[type=submit]")
    assert_accessible(page)
    page.goto(f"/order/payment/{number}/")
    assert_accessible(page)


def test_no_page_is_wider_than_a_phone(new_page: NewPage, house: House) -> None:
    page = new_page(viewport={"width": 320, "height": 640})
    listed = house.product("Longjing")

    for address in [*OPEN_TO_ALL, f"/products/{listed['id']}/"]:
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, address


def test_search_and_filter_follow_the_typing(page: Page, house: House) -> None:
    page.goto("/")
    everything = page.locator("#results a[href^='/products/']").count()

    page.fill("input[name=q]", "Longjing")

    expect(page.locator("#results")).to_contain_text("Longjing")
    expect(page).to_have_url(re.compile("q=Longjing"))
    assert 0 < page.locator("#results a[href^='/products/']").count() < everything
    page.go_back()
    expect(page.locator("#results a[href^='/products/']")).to_have_count(everything)


def test_the_scripts_of_a_page_that_was_kept_run(page: Page) -> None:
    """A page and the nonce in its policy belong together, however it comes back."""
    page.goto("/")
    page.fill("input[name=q]", "Longjing")
    expect(page).to_have_url(re.compile("q=Longjing"))
    page.goto("/users/login/")

    page.go_back()  # from the browser's own memory
    expect(page.locator("[data-theme-switch]").first).to_be_visible()
    page.evaluate("sessionStorage.clear(); localStorage.clear()")
    page.go_back()  # htmx asks for the page anew, and puts in its body
    expect(page).to_have_url(re.compile("/$"))

    expect(page.locator("[data-theme-switch]").first).to_be_visible()
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("[data-theme-switch]").first.click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_search_without_javascript(new_page: NewPage) -> None:
    page = new_page(java_script_enabled=False)
    page.goto("/")
    page.fill("input[name=q]", "Longjing")

    page.press("input[name=q]", "Enter")

    expect(page.locator("#results")).to_contain_text("Longjing")


def test_pages_are_links(new_page: NewPage) -> None:
    page = new_page(java_script_enabled=False)
    page.goto("/")

    page.click("#results a[href*='page=2']")

    assert page.locator("#results a[href^='/products/']").count() > 0


@pytest.mark.parametrize("script", [True, False], ids=["JavaScript", "no JavaScript"])
def test_the_language_can_be_chosen(new_page: NewPage, script: bool) -> None:
    page = new_page(java_script_enabled=script)
    page.goto("/users/login/")
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")

    page.click("button[name=language][value=en]")

    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page).to_have_url(re.compile("/users/login/$"))


def test_the_theme_can_be_chosen_and_stays(page: Page) -> None:
    page.goto("/")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.locator("[data-theme-switch]").first.click()

    changed = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    assert changed != before
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == changed


def test_a_product_is_bought_with_the_keyboard_alone(page: Page, house: House) -> None:
    register(page)
    listed = house.product("Longjing")
    page.goto(f"/products/{listed['id']}/")
    quantity = page.locator("input[name=quantity]")
    for _ in range(40):
        page.keyboard.press("Tab")
        if quantity.evaluate("input => input === document.activeElement"):
            break
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("2")

    page.keyboard.press("Enter")

    page.wait_for_url("**/order/payment/**")


def test_the_api_docs_load_from_the_shop(page: Page, house: House) -> None:
    asked_for: list[str] = []
    page.on("request", lambda request: asked_for.append(request.url))

    page.goto("/api/docs")

    expect(page.locator("#swagger-ui")).to_contain_text("Guitai")
    assert [url for url in asked_for if not url.startswith((house.shop, "data:"))] == []
