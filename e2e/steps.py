"""What a shopper does, and what a QA engineer tells the sandbox; in any language of the pages."""

import json
import os
import re
import secrets
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

PASSWORD = "longjing-2026"
ORDER_ID = re.compile(r"/(\d{8}[0-9A-Z]{12})/")
PAY = 'form[action^="/order/payment/"] button[type=submit]'
BUY = 'form[action^="/order/buy/"] button[type=submit]:not([formaction])'

TIME_PASSES = """
from datetime import timedelta
from django.utils import timezone
from orders.models import Order
from payments.models.payment import Payment
past = timezone.now() - timedelta(minutes=5)
Order.objects.filter(order_id="ORDER_ID").update(expires_at=past)
Payment.objects.filter(order__order_id="ORDER_ID", status="PENDING").update(
    time_expire=past, due_at=past
)
"""


@dataclass(frozen=True)
class House:
    """Where the shop and its local Alipay are, and its letters to buyers."""

    shop: str
    sandbox: str
    mail: Path

    def product(self, name: str) -> dict[str, Any]:
        """Return a product of the demo by a part of its name, as the API tells it now."""
        listed = ask(f"{self.shop}/api/v1/products?limit=100")["items"]
        return next(product for product in listed if name in product["name"])

    def control(self, path: str, body: object = None, *, method: str = "") -> Any:
        """Tell the sandbox something by its control API."""
        return ask(f"{self.sandbox}/control/{path}", body, method=method)

    def manage(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of manage.py as the operator does, beside the running shop.

        It is a process of its own, since the tests' Django must not touch a database.
        """
        return subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=Path(__file__).parent.parent,
            env=os.environ | {"DJANGO_SETTINGS_MODULE": "core.settings"},
            capture_output=True,
            encoding="utf-8",
        )

    def let_the_time_to_pay_pass(self, order_id: str) -> None:
        """Move the end of an order's time, and of its attempts', into the past."""
        self.manage("shell", "-c", TIME_PASSES.replace("ORDER_ID", order_id)).check_returncode()


def ask(url: str, body: object = None, *, method: str = "") -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, data, {"Content-Type": "application/json"}, method=method or None
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.loads(response.read() or b"null")


def register(page: Page) -> str:
    """Make an account and be logged in with it; return its name."""
    name = f"shopper-{secrets.token_hex(4)}"
    page.goto("/users/register/")
    page.fill("input[name=username]", name)
    page.fill("input[name=password1]", PASSWORD)
    page.fill("input[name=password2]", PASSWORD)
    page.click("form:has(input[name=password1]) button[type=submit]")
    expect(page.locator('form[action="/users/logout/"]').first).to_be_attached()
    return name


def buy(page: Page, product: dict[str, Any], *, quantity: int) -> str:
    """Buy a quantity from the product's page; return the order's number."""
    page.goto(f"/products/{product['id']}/")
    page.fill("input[name=quantity]", str(quantity))
    page.click(BUY)
    page.wait_for_url("**/order/payment/**")
    return order_id(page)


def order_id(page: Page) -> str:
    found = ORDER_ID.search(page.url)
    assert found, page.url
    return found[1]


def go_to_alipay(page: Page) -> None:
    page.click(PAY)
    page.wait_for_url("**/cashier/**")


def log_in_at_the_cashier(page: Page) -> None:
    page.fill("input[name=password]", "111111")
    page.click("form[action$='/login/'] button[type=submit]")
    expect(page.locator("form[action$='/pay/']")).to_be_visible()


def confirm_at_the_cashier(page: Page) -> None:
    page.fill("input[name=password]", "111111")
    page.click("form[action$='/pay/'] button[type=submit]")


def leave_the_cashier(page: Page) -> None:
    page.click("form[action$='/leave/'] button[type=submit]")


def log_in(page: Page, name: str, password: str) -> None:
    page.goto("/users/login/")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", password)
    page.click("form:has(input[name=password]) button[type=submit]")
    expect(page.locator('form[action="/users/logout/"]').first).to_be_attached()


def shown_in_the_end(page: Page, words: str, *, seconds: int = 60) -> None:
    """Load a page again until it says something that the worker brings about."""
    for _ in range(seconds):
        if words in page.locator("main").inner_text():
            return
        page.wait_for_timeout(1000)
        page.reload()
    expect(page.locator("main")).to_contain_text(words)
