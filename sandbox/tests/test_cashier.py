"""What the buyer sees, without JavaScript."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.outside import Buyer, Merchant

BUYER = {"logon_id": "buyer@sandbox.com", "password": "111111"}


@pytest.fixture
def at_the_cashier(merchant: Merchant, buyer: Buyer, number: str) -> Buyer:
    _, where = merchant.page_pay(number, "1234.50")
    buyer.get(where)
    buyer.address += where.rstrip("/")
    return buyer


def log_in(buyer: Buyer, **more: str) -> None:
    buyer.post("/login/", **{**BUYER, **more})
    if buyer.status == 303:
        buyer.get("/")


def test_login_page_shows_what_is_paid(at_the_cashier: Buyer, number: str) -> None:
    for words in ("¥1234.50", "茶 tea", number, "登录", "离开", "111111", "buyer@sandbox.com"):
        assert words in at_the_cashier.page


def test_logging_in_opens_the_trade(merchant: Merchant, at_the_cashier: Buyer, number: str) -> None:
    assert merchant.query(number)["sub_code"] == "ACQ.TRADE_NOT_EXIST"

    log_in(at_the_cashier)

    assert merchant.query(number)["trade_status"] == "WAIT_BUYER_PAY"
    assert "确认付款" in at_the_cashier.page


def test_paying_sends_the_buyer_back_with_signed_fields(
    merchant: Merchant, at_the_cashier: Buyer, number: str
) -> None:
    log_in(at_the_cashier)

    at_the_cashier.post("/pay/", password="111111")
    assert at_the_cashier.status == 303
    at_the_cashier.get("/done/")

    assert at_the_cashier.status == 303
    assert at_the_cashier.location.startswith(merchant.shop.return_url + "?")
    fields = dict(parse_qsl(urlsplit(at_the_cashier.location).query, strict_parsing=True))
    assert set(fields) == {
        "charset",
        "out_trade_no",
        "method",
        "total_amount",
        "sign",
        "trade_no",
        "auth_app_id",
        "version",
        "app_id",
        "sign_type",
        "seller_id",
        "timestamp",
    }
    assert fields["method"] == "alipay.trade.page.pay.return"
    assert merchant.verifies(fields)
    assert merchant.query(number)["trade_status"] == "TRADE_SUCCESS"


def test_return_keeps_the_merchants_own_parameters(
    merchant: Merchant, buyer: Buyer, number: str
) -> None:
    trade = merchant.paid(
        number,
        product="wap",
        product_code="QUICK_WAP_WAY",
        return_url="http://127.0.0.1:9/back?mine=1",
    )

    fields = dict(parse_qsl(urlsplit(trade["return_address"]).query))

    assert fields.pop("mine") == "1"
    assert fields["method"] == "alipay.trade.wap.pay.return"
    assert merchant.verifies(fields)


@pytest.mark.parametrize("wrong", [{"password": "x"}, {"logon_id": "nobody@sandbox.com"}], ids=str)
def test_wrong_login_opens_nothing(
    merchant: Merchant, at_the_cashier: Buyer, number: str, wrong: dict[str, str]
) -> None:
    log_in(at_the_cashier, **wrong)

    assert at_the_cashier.status == 422
    assert merchant.query(number)["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_wrong_payment_password_pays_nothing(
    merchant: Merchant, at_the_cashier: Buyer, number: str
) -> None:
    log_in(at_the_cashier)

    at_the_cashier.post("/pay/", password="222222")

    assert at_the_cashier.status == 422
    assert merchant.query(number)["trade_status"] == "WAIT_BUYER_PAY"


def test_paying_without_logging_in_pays_nothing(
    merchant: Merchant, at_the_cashier: Buyer, number: str
) -> None:
    at_the_cashier.post("/pay/", password="111111")

    assert at_the_cashier.status == 303
    assert merchant.query(number)["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_form_without_its_token_is_refused(at_the_cashier: Buyer) -> None:
    at_the_cashier.page = ""

    at_the_cashier.post("/login/", **BUYER)

    assert at_the_cashier.status == 403


def test_paying_twice_pays_once(merchant: Merchant, at_the_cashier: Buyer, number: str) -> None:
    log_in(at_the_cashier)

    for _ in range(2):
        at_the_cashier.post("/pay/", password="111111")
        assert at_the_cashier.status == 303

    merchant.shop.wait(1)
    assert len(merchant.process.control("GET", f"/notices?out_trade_no={number}")["items"]) == 1


def test_leaving_carries_nothing_back(
    merchant: Merchant, at_the_cashier: Buyer, number: str
) -> None:
    at_the_cashier.post("/leave/")

    assert (at_the_cashier.status, at_the_cashier.location) == (303, f"{merchant.shop.address}/")


def test_leaving_the_mobile_page_goes_where_the_merchant_says(
    merchant: Merchant, buyer: Buyer, number: str
) -> None:
    quit_url = "http://127.0.0.1:9/quit?a=1"
    _, where = merchant.page_pay(
        number, product="wap", product_code="QUICK_WAP_WAY", quit_url=quit_url
    )
    buyer.get(where)

    buyer.post(f"{where}leave/")

    assert (buyer.status, buyer.location) == (303, quit_url)


def test_closed_and_late_trades_say_so(
    merchant: Merchant, at_the_cashier: Buyer, number: str
) -> None:
    log_in(at_the_cashier)
    merchant.close(number)

    page = at_the_cashier.get("/")
    at_the_cashier.post("/pay/", password="111111")

    assert "确认付款" not in page
    assert merchant.shop.address in page
    assert at_the_cashier.status in (303, 409)


def test_second_buyer_cannot_open_an_opened_trade(
    merchant: Merchant, at_the_cashier: Buyer, number: str
) -> None:
    merchant.process.control("POST", f"/trades/{number}/scan", {"buyer": "other@sandbox.com"})

    log_in(at_the_cashier)

    assert at_the_cashier.status == 409


def test_qr_code_opens_the_trade_in_another_browser(
    merchant: Merchant, buyer: Buyer, number: str
) -> None:
    biz = {"out_trade_no": number, "subject": "茶", "total_amount": "1.00"}
    code = merchant.call("alipay.trade.precreate", biz)["qr_code"]
    page = Buyer(merchant.process.address)

    buyer.get(code)
    direct = buyer.location
    buyer.get(f"/cashier/scan/?qr_code=https://qr.alipay.com/{code.rpartition('/')[2]}")
    wrong = page.get("/cashier/scan/?qr_code=https://qr.alipay.com/baxnothing")

    assert direct.startswith("/cashier/")
    assert buyer.location == direct
    assert (page.status, 'role="alert"' in wrong) == (404, True)
    picture = buyer.get(f"{direct}qr.svg")
    assert picture.lstrip().startswith("<?xml")
    buyer.get(direct)
    buyer.post(f"{direct}login/", **BUYER)
    buyer.get(direct)
    buyer.post(f"{direct}pay/", password="111111")
    assert "付款成功" in buyer.get(f"{direct}done/")


def test_qr_address_may_be_alipays(merchant: Merchant, number: str) -> None:
    merchant.process.control("PATCH", "/settings", {"qr_address": "alipay"})
    biz = {"out_trade_no": number, "subject": "茶", "total_amount": "1.00"}

    code = merchant.call("alipay.trade.precreate", biz)["qr_code"]

    assert re.fullmatch(r"https://qr\.alipay\.com/bax[0-9a-f]{24}", code)


def test_open_page_hears_of_a_payment_elsewhere(
    merchant: Merchant, at_the_cashier: Buyer, number: str
) -> None:
    before = at_the_cashier.opener.open(f"{at_the_cashier.address}/status/?was=")
    merchant.process.control("POST", f"/trades/{number}/pay")

    after = at_the_cashier.opener.open(f"{at_the_cashier.address}/status/?was=")

    assert (before.status, before.headers["HX-Redirect"]) == (204, None)
    assert after.headers["HX-Redirect"].endswith("/done/")


def test_pages_speak_english_too(at_the_cashier: Buyer) -> None:
    at_the_cashier.get("/", **{"Accept-Language": "en"})

    for words in ("Log in", "Leave", "Test password"):
        assert words in at_the_cashier.page


def test_pages_hold_no_inline_script_or_style(at_the_cashier: Buyer) -> None:
    answer = at_the_cashier.opener.open(at_the_cashier.address + "/")
    page = answer.read().decode()

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    (nonce,) = re.findall(r"script-src 'nonce-([^']+)'", policy)
    scripts = re.findall(r"<script[^>]*>", page)
    assert [f'nonce="{nonce}"' in script for script in scripts] == [True, True]
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page)
    config = json.loads(re.search(r"htmx-config\" content='([^']*)'", page)[1])  # type: ignore[index]
    assert config == {
        "includeIndicatorStyles": False,
        "allowEval": False,
        "allowScriptTags": False,
        "selfRequestsOnly": True,
    }
