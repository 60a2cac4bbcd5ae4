"""Every kind of string that is signed, and a bill, letter for letter.

``golden/`` holds them; what is drawn by lot is written as zeros. To accept a change on purpose:
``SANDBOX_GOLDEN=write python -m pytest sandbox/tests/test_golden.py``, and read the diff.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.outside import Heard, Merchant, joined
from tests.test_bills import ask, download

GOLDEN = Path(__file__).parent / "golden"


def same(name: str, text: str) -> None:
    """Compare with what is written down."""
    for pattern, zeros in (
        (r"(?<=\d{8}22001)\d{15}", "0" * 15),
        (r"(?<=\d{8}00222\d{6})\d{15}", "0" * 15),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:0"),
        (r"bax[0-9a-f]{24}", "bax" + "0" * 24),
        (r"(?<=token=)[0-9a-f]{32}", "0" * 32),
        (r"(?m)(?<=^\d{8})\d{16}(?=\t,)", "0" * 16),
    ):
        text = re.sub(pattern, zeros, text)
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("SANDBOX_GOLDEN") == "write":
        file.write_text(text + "\n", encoding="utf-8", newline="\n")
    assert text + "\n" == file.read_text(encoding="utf-8")


@pytest.fixture
def merchant(merchant: Merchant) -> Merchant:
    """The merchant, at an instant that stands still."""
    merchant.process.control("POST", "/clock", {"mode": "frozen"})
    merchant.process.control("POST", "/clock", {"to": "2040-01-02 03:04:05"})
    merchant.process.control("PATCH", "/settings", {"notify_everything": True})
    return merchant


def pass_a_minute(merchant: Merchant) -> None:
    merchant.process.control("POST", "/clock", {"advance": 60})


def signed(merchant: Merchant, heard: Heard) -> str:
    """The string that Alipay signed, as one who receives it makes it."""
    assert merchant.hears(heard)
    return joined({n: v for n, v in heard.fields.items() if n not in ("sign", "sign_type")})


def node(merchant: Merchant) -> str:
    """The last answer's signed text."""
    match = re.fullmatch(r'\{"\w+":(\{.*\}),"sign":"[^"]+"\}', merchant.raw)
    assert match
    return match[1]


@pytest.mark.parametrize("product", ["page", "wap"])
def test_notices_and_return(merchant: Merchant, product: str) -> None:
    code = {"page": "FAST_INSTANT_TRADE_PAY", "wap": "QUICK_WAP_WAY"}[product]
    more = {"product": product, "product_code": code, "body": "备注", "passback_params": "a%3D1"}
    merchant.page_pay("G1", "10.00", **more)
    merchant.process.control("POST", "/trades/G1/scan")
    pass_a_minute(merchant)
    trade = merchant.process.control("POST", "/trades/G1/pay")
    merchant.shop.wait(2)
    pass_a_minute(merchant)
    merchant.refund("G1", "4.00", "R1")
    pass_a_minute(merchant)
    merchant.refund("G1", "6.00", "R2")
    pass_a_minute(merchant)
    merchant.page_pay("G2", **more)
    merchant.process.control("POST", "/trades/G2/scan")
    pass_a_minute(merchant)
    merchant.close("G2")
    merchant.paid("G3", **more)
    merchant.process.control("POST", "/clock", {"advance": 366 * 86400})

    told = [signed(merchant, heard) for heard in merchant.shop.wait(9)]
    back = dict(parse_qsl(urlsplit(trade["return_address"]).query))

    kinds = [re.search(r"trade_status=(\w+)", text)[1] for text in told]  # type: ignore[index]
    assert sorted(kinds) == [
        "TRADE_CLOSED",
        "TRADE_CLOSED",
        "TRADE_FINISHED",
        "TRADE_SUCCESS",
        "TRADE_SUCCESS",
        "TRADE_SUCCESS",
        "WAIT_BUYER_PAY",
        "WAIT_BUYER_PAY",
        "WAIT_BUYER_PAY",
    ]
    for name, number, status, has_refund in (
        ("waiting", "G1", "WAIT_BUYER_PAY", False),
        ("paid", "G1", "TRADE_SUCCESS", False),
        ("refunded_in_part", "G1", "TRADE_SUCCESS", True),
        ("refunded", "G1", "TRADE_CLOSED", True),
        ("closed", "G2", "TRADE_CLOSED", False),
        ("finished", "G3", "TRADE_FINISHED", False),
    ):
        (text,) = (
            text
            for text in told
            if f"out_trade_no={number}&" in text
            and f"trade_status={status}" in text
            and ("refund_fee=" in text) is has_refund
        )
        same(f"notice_{product}_{name}", text)
    assert merchant.verifies(back)
    same(f"return_{product}", joined({n: v for n, v in back.items() if not n.startswith("sign")}))


def test_answers(merchant: Merchant) -> None:
    biz = {"out_trade_no": "G1", "subject": "茶/tea", "total_amount": "10.00"}
    merchant.process.control("PATCH", "/settings", {"strict_subject": False})
    merchant.call("alipay.trade.precreate", biz, notify_url=merchant.shop.notify_url)
    same("answer_precreate", node(merchant))
    merchant.query("G1")
    same("answer_query_unknown", node(merchant))
    merchant.process.control("POST", "/trades/G1/scan")
    merchant.query("G1")
    same("answer_query_waiting", node(merchant))
    merchant.process.control("POST", "/trades/G1/pay")
    merchant.query("G1")
    same("answer_query_paid", node(merchant))
    merchant.close("G1")
    same("answer_close_refused", node(merchant))
    merchant.refund("G1", "4.00", "R1")
    same("answer_refund", node(merchant))
    merchant.refund("G1", "7.00", "R2")
    same("answer_refund_refused", node(merchant))
    number = {"out_trade_no": "G1", "out_request_no": "R1"}
    merchant.call("alipay.trade.fastpay.refund.query", number)
    same("answer_refund_query", node(merchant))
    merchant.call("alipay.trade.fastpay.refund.query", {**number, "out_request_no": "R9"})
    same("answer_refund_query_unknown", node(merchant))
    merchant.call("alipay.trade.cancel", {"out_trade_no": "none"})
    same("answer_cancel_unknown", node(merchant))
    assert merchant.shop.wait(3)
    same("notice_precreate_paid", signed(merchant, by_status(merchant, "TRADE_SUCCESS")))
    merchant.paid("G4")
    merchant.call("alipay.trade.cancel", {"out_trade_no": "G4"})
    same("answer_cancel", node(merchant))
    merchant.page_pay("G5")
    merchant.process.control("POST", "/trades/G5/scan")
    merchant.close("G5")
    same("answer_close", node(merchant))


def by_status(merchant: Merchant, status: str) -> Heard:
    (heard,) = (
        heard
        for heard in merchant.shop.heard
        if heard.fields["trade_status"] == status and "refund_fee" not in heard.fields
    )
    return heard


def test_bill(merchant: Merchant) -> None:
    merchant.paid("G1", "20.00", body="备注", store_id="S1", terminal_id="T1")
    pass_a_minute(merchant)
    merchant.refund("G1", "5.00", "R1")
    pass_a_minute(merchant)
    merchant.paid("G2", "0.01", subject='茶, "好"')
    merchant.process.control("POST", "/clock", {"to": "2040-01-03 09:00:00"})

    for bill_type in ("trade", "signcustomer"):
        files = download(ask(merchant, "2040-01-02", bill_type)["bill_download_url"])
        for name, text in files.items():
            kind = "summary" if "汇总" in name else "detail"
            same(f"bill_{bill_type}_{kind}", f"{name}\n{text}".replace("\r\n", "\n"))
