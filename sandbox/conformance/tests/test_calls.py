"""Every method of the API through every client, when it can be done and when it cannot.

A case says how far the trade has come, what is called, and the whole answer. The three clients must
get the same: how a call is put on the wire is their affair.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.tests.client import Client
from conformance.tests.shapes import (
    DONE,
    MASKED,
    STAMP,
    TRADE_NO,
    USER_ID,
    Like,
    refused,
)
from tests.outside import Process

pytestmark = pytest.mark.slow

PRECREATE = "alipay.trade.precreate"
QUERY = "alipay.trade.query"
CLOSE = "alipay.trade.close"
CANCEL = "alipay.trade.cancel"
REFUND = "alipay.trade.refund"
REFUND_QUERY = "alipay.trade.fastpay.refund.query"
BILL = "alipay.data.dataservice.bill.downloadurl.query"

TEA = {"total_amount": "10.00", "subject": "茶 tea"}

# -- how far a trade has come ----------------------------------------------------------------------


@dataclass
class Trade:
    """A trade that a client asks for, and what its buyer does."""

    client: Client
    process: Process
    number: str

    def call(self, method: str, **biz: Any) -> dict[str, Any]:
        sent = {"out_trade_no": self.number, **biz}
        return self.client.call(method, {name: sent[name] for name in sent if sent[name]})

    def buyer(self, does: str) -> Any:
        return self.process.control("POST", f"/trades/{self.number}/{does}")

    def refund(self, amount: str, number: str) -> None:
        node = self.call(REFUND, refund_amount=amount, out_request_no=number)
        assert (node["code"], node["fund_change"]) == ("10000", "Y")


def nothing(trade: Trade) -> None:
    """Nobody has ever asked for it."""


def asked(trade: Trade) -> None:
    assert trade.call(PRECREATE, **TEA)["code"] == "10000"


def scanned(trade: Trade) -> None:
    asked(trade)
    trade.buyer("scan")


def paid(trade: Trade) -> None:
    asked(trade)
    trade.buyer("pay")


def closed(trade: Trade) -> None:
    scanned(trade)
    assert trade.call(CLOSE)["code"] == "10000"


def refunded_in_part(trade: Trade) -> None:
    paid(trade)
    trade.refund("4.00", "r1")


def refunded(trade: Trade) -> None:
    refunded_in_part(trade)
    trade.refund("6.00", "r2")


def finished(trade: Trade) -> None:
    paid(trade)
    trade.process.control("POST", "/clock", {"advance": 366 * 86400})


# -- the cases -------------------------------------------------------------------------------------

#: In what is sent: Alipay's number of the trade. The merchant's own is sent unless it is None.
THEIRS = "<trade_no>"
BY_TRADE_NO = {"trade_no": THEIRS, "out_trade_no": None}

OURS = Like(r"C\d{6}")
BOTH: dict[str, Any] = {"out_trade_no": OURS, "trade_no": TRADE_NO}
BUYER: dict[str, Any] = {"buyer_logon_id": MASKED, "buyer_user_id": USER_ID}
ZERO: dict[str, Any] = dict.fromkeys(
    ("buyer_pay_amount", "invoice_amount", "receipt_amount"), "0.00"
)
TEN: dict[str, Any] = dict.fromkeys(ZERO, "10.00")

QR = {**DONE, "out_trade_no": OURS, "qr_code": Like(r"http://127\.0\.0\.1:\d+/cashier/qr/bax\w+")}
UNPAID = {
    **(DONE | BOTH | BUYER | ZERO),
    "buyer_user_type": "PRIVATE",
    "trade_status": "WAIT_BUYER_PAY",
    "total_amount": "10.00",
    "point_amount": "0.00",
}
PAID = {
    **(UNPAID | TEN),
    "trade_status": "TRADE_SUCCESS",
    "send_pay_date": STAMP,
    "fund_bill_list": [{"amount": "10.00", "fund_channel": "ALIPAYACCOUNT"}],
}
CLOSED, FINISHED = {"trade_status": "TRADE_CLOSED"}, {"trade_status": "TRADE_FINISHED"}
CANCELLED = {**DONE, **BOTH, "retry_flag": "N"}
REFUNDED = {**DONE, **BOTH, **BUYER, "fund_change": "Y", "gmt_refund_pay": STAMP}
FOUND = {**DONE, **BOTH, "total_amount": "10.00", "refund_status": "REFUND_SUCCESS"}

NOT_FOUND = refused("ACQ.TRADE_NOT_EXIST", "交易不存在")
IS_PAID = refused("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
IS_CLOSED = refused("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
IS_FINISHED = refused("ACQ.TRADE_HAS_FINISHED", "交易已完结")
WRONG_STATE = refused("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
INCONSISTENT = refused("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改")
TOO_MUCH = refused("ACQ.TOTAL_FEE_EXCEED", "订单总金额超过限额")
TOO_LATE = refused("ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR", "当前时间已超过允许支付的时间")
NOT_REPEATED = refused("ACQ.DISCORDANT_REPEAT_REQUEST", "不一致的请求")
NOT_LEFT = refused("ACQ.REASON_TRADE_REFUND_FEE_ERR", "退款金额无效")
NOT_TOTAL = refused("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "撤销或退款金额与订单金额不一致")
NO_BILL = refused("isp.BILL_NOT_EXIST", "账单不存在")
NO_SUCH_BILL = refused("isp.INVAILID_ARGUMENTS", "入参不合法")
NOT_PERMITTED = refused(
    "isv.insufficient-isv-permissions",
    "ISV权限不足，建议在开发者中心检查对应功能是否已经添加",
    "40006",
)


def bad(name: str) -> dict[str, Any]:
    return refused("ACQ.INVALID_PARAMETER", f"参数无效：{name}")


def back(amount: str, so_far: str, **more: Any) -> dict[str, Any]:
    """A refund's answer: what this call moved, and what has been refunded in all."""
    return {**REFUNDED, "send_back_fee": amount, "refund_fee": so_far, **more}


def part(amount: str, number: str, **more: Any) -> dict[str, Any]:
    return {"refund_amount": amount, "out_request_no": number, **more}


def found(amount: str, number: str, **more: Any) -> dict[str, Any]:
    return {**FOUND, "refund_amount": amount, "out_request_no": number, **more}


ALL = {"refund_amount": "10.00"}
WAY = {"amount": "4.00", "fund_channel": "ALIPAYACCOUNT", "real_amount": "4.00"}
ITEMS = {"refund_detail_item_list": [WAY]}
TRICKY = {"subject": '茶 "A+B" 100% <c>', "body": "a&b=c/d\\e 😀", "passback_params": "a%3D1%262"}
GOODS = {"goods_id": "t" * 32, "goods_name": "茶" * 64, "quantity": 1, "price": "0.10"}

Scene = Callable[[Trade], None]
CASES: dict[str, list[tuple[str, Scene, dict[str, Any], dict[str, Any]]]] = {
    PRECREATE: [
        ("new", nothing, TEA, QR),
        ("every kind of text", nothing, TEA | TRICKY, QR),
        ("the amount as a number", nothing, TEA | {"total_amount": 8.8}, QR),
        ("a hundred goods", nothing, TEA | {"goods_detail": [GOODS] * 100}, QR),
        ("again before the scan, for more", asked, TEA | {"total_amount": "11.00"}, QR),
        ("again after the scan", scanned, TEA, QR),
        ("again after the scan, for more", scanned, TEA | {"total_amount": "11.00"}, INCONSISTENT),
        ("after the payment", paid, TEA, IS_PAID),
        ("after closing", closed, TEA, IS_CLOSED),
        ("for nothing", nothing, TEA | {"total_amount": "0.00"}, bad("total_amount")),
        ("for too much", nothing, TEA | {"total_amount": "100000000.01"}, TOO_MUCH),
        ("too late", nothing, TEA | {"time_expire": "2020-01-01 00:00:00"}, TOO_LATE),
    ],
    QUERY: [
        ("unknown", nothing, {}, NOT_FOUND),
        ("before the scan", asked, {}, NOT_FOUND),
        ("after the scan", scanned, {}, UNPAID),
        ("paid", paid, {}, PAID),
        ("by trade_no", paid, BY_TRADE_NO, PAID),
        ("closed", closed, {}, UNPAID | CLOSED),
        ("refunded in part", refunded_in_part, {}, PAID),
        ("refunded", refunded, {}, PAID | CLOSED),
        ("finished", finished, {}, PAID | FINISHED),
    ],
    CLOSE: [
        ("unknown", nothing, {}, NOT_FOUND),
        ("before the scan", asked, {}, NOT_FOUND),
        ("after the scan", scanned, {}, DONE | BOTH),
        ("by trade_no", scanned, BY_TRADE_NO | {"operator_id": "YX1"}, DONE | BOTH),
        ("paid", paid, {}, WRONG_STATE),
        ("closed", closed, {}, WRONG_STATE),
    ],
    CANCEL: [
        ("unknown", nothing, {}, {**DONE, "out_trade_no": OURS, "retry_flag": "N"}),
        ("after the scan", scanned, {}, CANCELLED | {"action": "close"}),
        ("paid", paid, {}, CANCELLED | {"action": "refund"}),
        ("refunded in part", refunded_in_part, {}, NOT_LEFT),
        ("finished", finished, {}, IS_FINISHED),
    ],
    REFUND: [
        ("all", paid, ALL, back("10.00", "10.00")),
        ("all, as a number", paid, {"refund_amount": 10}, back("10.00", "10.00")),
        ("a part", paid, part("4.00", "r1"), back("4.00", "4.00")),
        ("another", refunded_in_part, part("3.50", "r2"), back("3.50", "7.50")),
        ("the rest", refunded_in_part, part("6.00", "r2"), back("6.00", "10.00")),
        ("again", refunded_in_part, part("4.00", "r1"), back("0.00", "4.00", fund_change="N")),
        ("again, but more", refunded_in_part, part("5.00", "r1"), NOT_REPEATED),
        ("more than is left", refunded_in_part, part("6.01", "r2"), NOT_LEFT),
        ("a part without a number", paid, {"refund_amount": "4.00"}, NOT_TOTAL),
        (
            "by trade_no, telling the way",
            paid,
            BY_TRADE_NO | part("4.00", "r1", refund_reason="退货", query_options=list(ITEMS)),
            back("4.00", "4.00", **ITEMS),
        ),
        ("no amount", paid, {}, bad("refund_amount")),
        ("unknown", nothing, ALL, NOT_FOUND),
        ("not paid", scanned, ALL, WRONG_STATE),
        ("refunded", refunded, part("1.00", "r3"), IS_CLOSED),
        ("finished", finished, ALL, IS_FINISHED),
    ],
    REFUND_QUERY: [
        ("the first", refunded, {"out_request_no": "r1"}, found("4.00", "r1")),
        ("the second", refunded, {"out_request_no": "r2"}, found("6.00", "r2")),
        (
            "telling when and which way",
            refunded,
            {"out_request_no": "r1", "query_options": ["gmt_refund_pay", *ITEMS]},
            found("4.00", "r1", gmt_refund_pay=STAMP, **ITEMS),
        ),
        ("none", paid, {"out_request_no": "r1"}, DONE),
        ("unknown", nothing, {"out_request_no": "r1"}, NOT_FOUND),
    ],
    BILL: [  # the bills that exist are in test_bills.py
        ("not yet", paid, {"bill_type": "trade", "bill_date": "2100-01-01"}, NO_BILL),
        ("of no kind", paid, {"bill_type": "x", "bill_date": "2026-01-01"}, NO_SUCH_BILL),
        ("of no day", paid, {"bill_type": "trade", "bill_date": "2026-02-30"}, NO_SUCH_BILL),
    ],
    "alipay.trade.create": [("not signed for", nothing, TEA, NOT_PERMITTED)],
}

#: What Alipay adds when it refuses.
ADDED = {
    QUERY: {"out_trade_no": OURS, "point_amount": "0.00", **ZERO},
    REFUND: {"out_trade_no": OURS, "refund_fee": "0.00", "send_back_fee": "0.00"},
}


@pytest.mark.parametrize(
    ("method", "scene", "biz", "answer"),
    [
        pytest.param(method, scene, biz, answer, id=f"{method.partition('.')[2]}: {name}")
        for method, cases in CASES.items()
        for name, scene, biz, answer in cases
    ],
)
def test_call(
    client: Client,
    sandbox: Process,
    number: str,
    method: str,
    scene: Scene,
    biz: dict[str, Any],
    answer: dict[str, Any],
) -> None:
    trade = Trade(client, sandbox, number)
    scene(trade)
    if biz.get("trade_no") == THEIRS:
        biz = {**biz, "trade_no": sandbox.control("GET", f"/trades/{number}")["trade_no"]}

    node = trade.call(method, **biz)

    assert node == (answer | ADDED.get(method, {}) if "sub_code" in answer else answer)
    assert node.get("out_trade_no", number) == number
