"""Notices of every kind, as they arrive, before each client's own verifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.tests.client import Client
from conformance.tests.shapes import STAMP, Like, payment_notice
from tests.outside import Process, Shop

pytestmark = pytest.mark.slow

TEA = {"total_amount": "10.00", "subject": '茶 "A+B" 100%', "body": "a&b=c\\d 龙井"}
OF_PAYMENT = {
    "receipt_amount",
    "invoice_amount",
    "buyer_pay_amount",
    "point_amount",
    "fund_bill_list",
}


@pytest.fixture
def asked(client: Client, sandbox: Process, shop: Shop, number: str) -> str:
    """A trade of which every state is told."""
    sandbox.control("PATCH", "/settings", {"notify_everything": True})
    biz = {"out_trade_no": number, **TEA}
    client.call("alipay.trade.precreate", biz, notify_url=shop.notify_url)
    return number


def scan(client: Client, sandbox: Process, number: str) -> None:
    sandbox.control("POST", f"/trades/{number}/scan")


def pay(client: Client, sandbox: Process, number: str) -> None:
    sandbox.control("POST", f"/trades/{number}/pay")


def close(client: Client, sandbox: Process, number: str) -> None:
    scan(client, sandbox, number)
    client.call("alipay.trade.close", {"out_trade_no": number})


def time_out(client: Client, sandbox: Process, number: str) -> None:
    scan(client, sandbox, number)
    sandbox.control("POST", "/clock", {"advance": 4 * 3600})


def refund_a_part(client: Client, sandbox: Process, number: str) -> None:
    pay(client, sandbox, number)
    biz = {"out_trade_no": number, "refund_amount": "4.00", "out_request_no": "r1"}
    client.call("alipay.trade.refund", biz)


def refund_the_rest(client: Client, sandbox: Process, number: str) -> None:
    refund_a_part(client, sandbox, number)
    biz = {"out_trade_no": number, "refund_amount": "6.00", "out_request_no": "r2"}
    client.call("alipay.trade.refund", biz)


def finish(client: Client, sandbox: Process, number: str) -> None:
    pay(client, sandbox, number)
    sandbox.control("POST", "/clock", {"advance": 366 * 86400})


MILLISECONDS = Like(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}")
PAID = {"trade_status": "TRADE_SUCCESS"}
CLOSED = {"trade_status": "TRADE_CLOSED", "gmt_close": STAMP}
PART = {"refund_fee": "4.00", "out_biz_no": "r1", "gmt_refund": MILLISECONDS}
REST = {"refund_fee": "10.00", "out_biz_no": "r2", "gmt_refund": MILLISECONDS}

#: What happens, how many notices that makes, what the one of it lacks, and what it has instead.
KINDS: list[tuple[Callable[..., None], int, set[str], dict[str, Any]]] = [
    (scan, 1, OF_PAYMENT | {"gmt_payment"}, {"trade_status": "WAIT_BUYER_PAY"}),
    (pay, 2, set(), PAID),
    (close, 2, OF_PAYMENT | {"gmt_payment"}, CLOSED),
    (time_out, 2, OF_PAYMENT | {"gmt_payment"}, CLOSED),
    (refund_a_part, 3, OF_PAYMENT, PAID | PART),
    (refund_the_rest, 4, OF_PAYMENT, CLOSED | REST),
    (finish, 3, set(), {"trade_status": "TRADE_FINISHED"}),
]


@pytest.mark.parametrize(
    ("happens", "count", "lacks", "has"), KINDS, ids=[kind[0].__name__ for kind in KINDS]
)
def test_notice_of_every_kind(
    client: Client,
    sandbox: Process,
    shop: Shop,
    asked: str,
    happens: Callable[..., None],
    count: int,
    lacks: set[str],
    has: dict[str, Any],
) -> None:
    happens(client, sandbox, asked)

    heard = [told.fields for told in shop.wait(count)]
    (notice,) = (told for told in heard if told.items() >= literal(has).items())
    usual = {**payment_notice(client.account.app_id, with_logon_id=True), **TEA}
    usual = {name: text for name, text in usual.items() if name not in lacks}
    assert notice == {**usual, "out_trade_no": asked, **has}
    assert [client.verifies(told) for told in heard] == [True] * count


def literal(fields: dict[str, Any]) -> dict[str, str]:
    return {name: text for name, text in fields.items() if isinstance(text, str)}


@pytest.mark.parametrize(
    "change",
    [
        {"total_amount": "0.01"},
        {"subject": "茶"},
        {"trade_status": "TRADE_FINISHED"},
        {"notify_id": "1"},
        {"new": "field"},
        {"sign": ""},
        {"sign": "QUJD"},
    ],
    ids=str,
)
def test_notice_that_was_changed_on_the_way(
    client: Client, sandbox: Process, shop: Shop, asked: str, change: dict[str, str]
) -> None:
    pay(client, sandbox, asked)
    notice = shop.wait(2)[1].fields

    assert client.verifies(notice)
    assert not client.verifies(notice | change)


def test_notice_with_fields_of_a_later_year(
    client: Client, sandbox: Process, shop: Shop, asked: str
) -> None:
    pay(client, sandbox, asked)
    shop.wait(2)
    more = {"new_field": '{"a":[1,2]}', "A": "x y+z", "receipt_amount": None}
    sandbox.control("POST", "/forge", {"out_trade_no": asked, "fields": more})

    notice = shop.wait(3)[2].fields

    assert (notice["new_field"], "receipt_amount" in notice) == ('{"a":[1,2]}', False)
    assert client.verifies(notice)


def test_notice_from_a_stranger(client: Client, sandbox: Process, shop: Shop, asked: str) -> None:
    pay(client, sandbox, asked)
    shop.wait(2)
    sandbox.control("POST", "/forge", {"out_trade_no": asked, "sign_with": "stranger"})

    assert not client.verifies(shop.wait(3)[2].fields)
