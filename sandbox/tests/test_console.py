"""The console's pages: everything shown, a button for everything."""

from __future__ import annotations

import re

import pytest

from tests.outside import Buyer, Merchant


@pytest.fixture
def person(buyer: Buyer) -> Buyer:
    """Somebody who reads English."""
    buyer.get("/")
    buyer.post("/i18n/setlang/", language="en", next="/")
    buyer.get("/")
    return buyer


def press(person: Buyer, action: str, **fields: str) -> str:
    """Press a button; give the page with what it says."""
    person.post(f"/do/{action}/", next="/", **fields)
    assert person.status == 303, person.status
    page = person.get("/")
    told = re.search(r'class="message \w+">([^<]*)<', page)
    return told[1] if told else ""


def test_trade_page_tells_the_whole_story(merchant: Merchant, person: Buyer, number: str) -> None:
    trade = merchant.paid(number)
    merchant.refund(number, "4.00", "r1")
    merchant.shop.wait(2)

    page = person.get(f"/trades/{merchant.app_id}/{number}/")

    for words in (
        trade["trade_no"],
        "Opened by the buyer",
        "r1",
        "¥4.00",
        "trade_status=TRADE_SUCCESS",
        "method=alipay.trade.page.pay.return",
        "alipay.trade.refund",
        "¥10.00",
    ):
        assert words in page


@pytest.mark.parametrize("path", ["/", "/notices/", "/requests/", "/settings/", "/cashier/scan/"])
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_pages_are_shown(merchant: Merchant, buyer: Buyer, path: str, language: str) -> None:
    merchant.paid("shown")
    merchant.process.control("PUT", "/faults", {"kind": "html", "method": "none"})

    page = buyer.get(path, **{"Accept-Language": language})

    assert buyer.status == 200
    assert f'<html lang="{language}">' in page
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page)


def test_unknown_pages_are_404(buyer: Buyer) -> None:
    for path in ("/nothing/", "/trades/1/2/", "/cashier/nothing/", "/cashier/qr/nothing"):
        buyer.get(path)
        assert buyer.status == 404


def test_buttons_do_what_the_control_api_does(
    merchant: Merchant, person: Buyer, number: str
) -> None:
    control = merchant.process.control
    merchant.page_pay(number)
    this = {"app_id": merchant.app_id, "out_trade_no": number}

    press(person, "scan", buyer="other@sandbox.com", **this)
    assert control("GET", f"/trades/{number}")["trade_status"] == "WAIT_BUYER_PAY"
    assert "TRADE_BUYER_NOT_MATCH" in press(person, "pay", buyer="buyer@sandbox.com", **this)
    press(person, "pay", **this)
    assert control("GET", f"/trades/{number}")["trade_status"] == "TRADE_SUCCESS"

    merchant.shop.wait(1)
    notify_id = merchant.shop.heard[0].fields["notify_id"]
    press(person, "send", notify_id=notify_id, times="2")
    assert len(merchant.shop.wait(3)) == 3
    told = press(person, "forge", **{"field.total_amount": "", "field.x": "1"}, **this)
    assert told == "The merchant answered: 200 success"
    assert "total_amount" not in merchant.shop.heard[3].fields
    press(person, "forge", unsigned_name="trade_status", unsigned_value="TRADE_CLOSED", **this)
    assert merchant.shop.heard[4].raw.endswith(b"&trade_status=TRADE_CLOSED")

    press(person, "refund", refund_amount="4.00", refund_reason="broken", **this)
    (refund,) = control("GET", f"/trades/{number}")["refunds"]
    assert (refund["refund_amount"], refund["refund_reason"]) == ("4.00", "broken")

    press(person, "policy", drop="3", delay="1.5", duplicate="2", shuffle="on")
    assert control("GET", "/notify-policy") == {
        "drop": 3,
        "delay": 1.5,
        "duplicate": 2,
        "shuffle": True,
    }
    press(person, "policy", drop_all="on")
    assert control("GET", "/notify-policy")["drop"] is True

    press(person, "add-fault", kind="html", when="after", times="2", method="alipay.trade.close")
    assert control("GET", "/faults")["items"][0]["times"] == 2
    press(person, "clear-faults")
    assert control("GET", "/faults")["items"] == []

    press(person, "merchant", app_id=merchant.app_id, balance="5.00")
    assert control("GET", "/merchants")["items"][0]["balance"] == "5.00"

    press(person, "clock", mode="frozen")
    press(person, "clock", to="2040-01-02T03:04")
    assert control("GET", "/clock")["now"].startswith("2040-01-02T03:04:00")
    press(person, "clock", advance="60")
    assert control("GET", "/clock")["now"].startswith("2040-01-02T03:05:00")

    press(person, "reset")
    assert control("GET", "/trades")["count"] == 0


def test_settings_form_says_and_keeps_every_setting(merchant: Merchant, person: Buyer) -> None:
    control = merchant.process.control
    before = control("GET", "/settings")
    page = person.get("/settings/")
    form = page[page.index("/do/settings/") :]
    inputs = dict(re.findall(r'<input id="s-\w+" name="(\w+)" value="([^"]*)"', form))
    selects = dict(re.findall(r'<select id="s-\w+" name="(\w+)".*?<option selected>([^<]+)', form))
    flags = dict.fromkeys(re.findall(r'name="(\w+)" type="checkbox" checked', form), "on")
    told = dict.fromkeys(re.findall(r'type="checkbox" name="(\w+\.\w+)" checked', form), "on")
    unchanged = {**inputs, **selects, **flags, **told}

    assert press(person, "settings", **unchanged) == "The settings are changed."
    same = control("GET", "/settings")
    press(person, "settings", **{**unchanged, "ladder": "1, 2.5", "timestamp_skew": ""})
    other = control("GET", "/settings")

    assert same == before
    assert other == {**before, "ladder": [1, 2.5], "timestamp_skew": None}
    refused = press(person, "settings", **{**unchanged, "notify_timeout": "0"})
    assert "notify_timeout" in refused


def test_button_needs_its_token_and_goes_back_only_here(person: Buyer) -> None:
    person.post("/do/clock/", mode="real", next="https://evil.example/")
    assert (person.status, person.location) == (303, "/")
    person.page = ""

    person.post("/do/reset/")

    assert person.status == 403


def test_language_can_be_switched(person: Buyer) -> None:
    person.post("/i18n/setlang/", language="zh-hans", next="/")

    assert '<html lang="zh-hans">' in person.get("/")
