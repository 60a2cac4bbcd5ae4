"""The buyer's way: each client's address or form, opened as a browser does, and back again."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Any

import pytest

from conformance.tests.client import Client
from conformance.tests.installed import NPM, OFFICIAL, OTHER
from conformance.tests.shapes import SIGNATURE, STAMP, TRADE_NO, USER_ID, payment_notice
from conformance.tests.visitor import Visitor
from tests.outside import Process, Shop

pytestmark = pytest.mark.slow

QUERY = "alipay.trade.query"
CODES = {"page": "FAST_INSTANT_TRADE_PAY", "wap": "QUICK_WAP_WAY"}
TEA = {"total_amount": "10.00", "subject": '茶 "A+B" 100% <c>', "body": "龙井; a=b; 'c' \\ d"}

#: Who makes what for the buyer: an address, or a form. python-alipay-sdk makes no form.
MADE = [(NPM, "GET"), (NPM, "POST"), (OFFICIAL, "GET"), (OFFICIAL, "POST"), (OTHER, "GET")]
in_every_manner = pytest.mark.parametrize(("program", "verb"), MADE, indirect=["program"])


@pytest.fixture(params=list(CODES))
def way(request: pytest.FixtureRequest) -> str:
    """What the page is made for: a computer or a phone."""
    return str(request.param)


@pytest.fixture
def visitor(sandbox: Process) -> Visitor:
    return Visitor(sandbox.address)


def page(client: Client, verb: str, way: str, biz: dict[str, Any], **urls: str) -> str:
    given = {**TEA, "product_code": CODES[way], **biz}
    return client.page(verb, f"alipay.trade.{way}.pay", given, **urls)


@in_every_manner
def test_buyer_pays_and_the_client_can_verify(
    client: Client, visitor: Visitor, shop: Shop, number: str, verb: str, way: str
) -> None:
    biz = {"out_trade_no": number, "passback_params": "a%3D1%262"}
    urls = {"notify_url": shop.notify_url, "return_url": shop.return_url}
    visitor.follow(page(client, verb, way, biz, **urls))
    assert client.call(QUERY, {"out_trade_no": number})["sub_code"] == "ACQ.TRADE_NOT_EXIST"

    returned = visitor.pay()

    assert visitor.location.partition("?")[0] == shop.return_url
    assert returned == {
        "app_id": client.account.app_id,
        "auth_app_id": client.account.app_id,
        "charset": "utf-8",
        "method": f"alipay.trade.{way}.pay.return",
        "out_trade_no": number,
        "seller_id": USER_ID,
        "sign": SIGNATURE,
        "sign_type": "RSA2",
        "timestamp": STAMP,
        "total_amount": "10.00",
        "trade_no": TRADE_NO,
        "version": "1.0",
    }
    assert client.verifies(returned)
    assert not client.verifies({**returned, "total_amount": "0.01"})

    notice = shop.wait(1)[0].fields
    notice_of_way = payment_notice(client.account.app_id, with_logon_id=way == "wap")
    assert notice == {**notice_of_way, **TEA, **biz}
    assert client.verifies(notice)
    assert not client.verifies({**notice, "total_amount": "0.01"})

    node = client.call(QUERY, {"out_trade_no": number})
    assert (node["trade_status"], node["trade_no"]) == ("TRADE_SUCCESS", returned["trade_no"])


@pytest.mark.parametrize("program", [OTHER], indirect=True)
def test_product_code_of_its_own_is_the_old_one(
    client: Client, visitor: Visitor, number: str
) -> None:
    """python-alipay-sdk sends QUICK_WAP_PAY unless told otherwise."""
    visitor.follow(client.page("GET", "alipay.trade.wap.pay", {"out_trade_no": number, **TEA}))

    assert visitor.status == 302
    assert visitor.cashier.startswith("/cashier/")


@in_every_manner
def test_page_that_is_refused(client: Client, visitor: Visitor, verb: str, way: str) -> None:
    visitor.follow(page(client, verb, way, {"out_trade_no": "?"}))

    assert visitor.status == 200
    assert "<code>INVALID_PARAMETER</code>" in visitor.page


@in_every_manner
def test_page_of_a_trade_that_is_paid(
    client: Client, visitor: Visitor, sandbox: Process, number: str, verb: str, way: str
) -> None:
    made = page(client, verb, way, {"out_trade_no": number})
    visitor.follow(made)
    sandbox.control("POST", f"/trades/{number}/pay")

    visitor.follow(made)

    assert visitor.status == 200
    assert "<code>TRADE_HAS_SUCCESS</code>" in visitor.page


@in_every_manner
def test_page_of_a_trade_that_was_opened_for_another_amount(
    client: Client, visitor: Visitor, sandbox: Process, number: str, verb: str, way: str
) -> None:
    visitor.follow(page(client, verb, way, {"out_trade_no": number}))
    sandbox.control("POST", f"/trades/{number}/scan")

    visitor.follow(page(client, verb, way, {"out_trade_no": number, "total_amount": "10.01"}))

    assert visitor.status == 200
    assert "<code>CONTEXT_INCONSISTENT</code>" in visitor.page


@in_every_manner
def test_page_signed_by_a_stranger_shows_what_was_verified(
    client: Client, visitor: Visitor, number: str, strangers_key: str, verb: str, way: str
) -> None:
    stranger = replace(client, account=replace(client.account, private_key=strangers_key))

    visitor.follow(page(stranger, verb, way, {"out_trade_no": number}))

    assert visitor.status == 200
    assert "<code>invalid-signature</code>" in visitor.page
    assert f"&method=alipay.trade.{way}.pay&" in html.unescape(visitor.page)
