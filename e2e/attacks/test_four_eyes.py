"""Four eyes are two persons': the tricks by which one of the staff was two."""

import json
import re
import urllib.error
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

from e2e.steps import House

PASSWORD = "guitai-demo"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
LINK = re.compile(r"/users/password/reset/\S+/")

# Buys for somebody at once and has it paid, as if Alipay had said so; prints number and payment.
SELL = """
from decimal import Decimal
from django.utils import timezone
from orders.checkout import buy_now
from payments.alipay import Trade
from payments.models.payment import Payment
from products.models import Product
from users.models import User
ABOVE_THE_LIMIT = Decimal("1000.01")
product = Product.objects.on_sale().filter(price__lt=ABOVE_THE_LIMIT).latest("price")
quantity = int(ABOVE_THE_LIMIT / product.price) + 1
Product.objects.filter(pk=product.pk).update(stock=1000)
buyer, _ = User.objects.get_or_create(username="BUYER")
for number in range(COUNT):
    payment = Payment.objects.attempt(buy_now(buyer, product_id=product.pk, quantity=quantity))
    payment.settle(Trade(
        out_trade_no=payment.out_trade_no, trade_no=f"2026{payment.pk:024}",
        trade_status="TRADE_SUCCESS", total_amount=payment.amount, gmt_payment=timezone.now(),
    ))
    print(payment.order)
"""


class Browser:
    """Somebody at the shop by plain HTTP: cookies and forms, as a script would."""

    def __init__(self, house: House, username: str = "", password: str = PASSWORD) -> None:
        self.house, self.jar = house, CookieJar()
        self.opener = build_opener(HTTPCookieProcessor(self.jar))
        if username:
            self.post("/users/login/", username=username, password=password)

    def get(self, path: str) -> str:
        return self._open(Request(f"{self.house.shop}{path}"))[1]

    def post(self, path: str, at: str = "", **fields: Any) -> tuple[int, str]:
        """Send the form of a page, with its token."""
        token = TOKEN.search(self.get(at or path))
        data = [("csrfmiddlewaretoken", token[1] if token else ""), *fields.items()]
        body = urlencode(data, doseq=True).encode()
        return self._open(Request(f"{self.house.shop}{path}", body))

    def refund(self, order_id: str, amount: str) -> tuple[int, Any]:
        """Ask for a refund by the API."""
        csrf = next((cookie.value for cookie in self.jar if cookie.name == "csrftoken"), "")
        headers = {"Content-Type": "application/json", "X-CSRFToken": csrf or ""}
        body = json.dumps({"amount": amount, "reason": "attack"}).encode()
        path = f"/api/v1/orders/{order_id}/refunds"
        status, text = self._open(Request(f"{self.house.shop}{path}", body, headers))
        return status, json.loads(text)

    def _open(self, request: Request) -> tuple[int, str]:
        try:
            with self.opener.open(request, timeout=30) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode()


def sell(house: House, *, to: str, count: int = 1) -> list[str]:
    code = SELL.replace("BUYER", to).replace("COUNT", str(count))
    told = house.manage("shell", "--no-imports", "-c", code)
    assert told.returncode == 0, told.stderr
    return told.stdout.split()[-count:]


def pk_of(house: House, username: str) -> int:
    code = f"from users.models import User; print(User.objects.get(username='{username}').pk)"
    return int(house.manage("shell", "--no-imports", "-c", code).stdout.split()[-1])


def test_an_owners_puppet_does_not_approve(house: House) -> None:
    [order_id] = sell(house, to="four-eyes-buyer")
    owner = Browser(house, "owner")
    owner.post("/admin/users/user/add/", username="puppet", email="puppet@example.com")
    puppet = f"/admin/users/user/{pk_of(house, 'puppet')}/"
    fields = {
        name: value
        for name, value in re.findall(
            r'name="([\w-]+)" value="([^"]*)"', owner.get(f"{puppet}change/")
        )
        if name.startswith(("date_joined", "initial-"))
    }
    role = re.search(r'<option value="(\d+)"[^>]*>owner<', owner.get(f"{puppet}change/"))
    assert role
    owner.post(
        f"{puppet}change/",
        username="puppet",
        email="puppet@example.com",
        is_active="on",
        is_staff="on",
        groups=role[1],
        **fields,
    )
    owner.post(f"{puppet}link/")
    mail = (house.mail.parent / "shop.log").read_text(encoding="utf-8", errors="replace")
    link = LINK.findall(mail)[-1]
    reader = Browser(house)
    reader.get(link)
    set_password = re.sub(r"[^/]+/$", "set-password/", link)
    new = "oolong-2027"
    reader.post(set_password, new_password1=new, new_password2=new)
    accomplice = Browser(house, "puppet", new)
    status, asked = owner.refund(order_id, "0.01")
    assert (status, asked["status"]) == (201, "REQUESTED")
    asked = owner.refund(order_id, "1000.01")[1]
    assert asked["status"] == "WAITING"

    path = f"/api/v1/orders/{order_id}/refunds/{asked['out_request_no']}/approve"
    assert "/admin/logout/" in accomplice.get("/admin/")
    answer = accomplice.post(path, at="/users/account/")

    assert answer[0] == 403
    assert "second-operator-needed" in answer[1] or "第二" in answer[1]


def test_nobody_sets_a_cashiers_password(house: House) -> None:
    for name in ("owner", "operator"):
        Browser(house, name).post(
            f"/admin/users/user/{pk_of(house, 'cashier')}/password/",
            at="/admin/",
            usable_password="true",
            password1="taken-2027",
            password2="taken-2027",
        )

    assert "/admin/logout/" not in Browser(house, "cashier", "taken-2027").get("/admin/")
    assert "/admin/logout/" in Browser(house, "cashier").get("/admin/")


def test_a_cashiers_small_refunds_do_not_pass_the_limit(house: House) -> None:
    orders = sell(house, to="four-eyes-buyer", count=3)
    cashier = Browser(house, "cashier")

    statuses = [cashier.refund(order_id, "999.00")[1].get("status") for order_id in orders]

    assert statuses == ["REQUESTED", "WAITING", "WAITING"]


def test_a_cashier_does_not_refund_their_own_order(house: House) -> None:
    [order_id] = sell(house, to="cashier")

    status, problem = Browser(house, "cashier").refund(order_id, "0.01")

    assert status == 403
    assert problem["type"].rstrip("/").endswith("own-order")
