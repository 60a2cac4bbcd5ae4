"""Whatever is sent, there is an answer of Alipay's kind; never a server's error."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_from_bytes

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from tests.outside import Merchant

METHODS = [
    "alipay.trade.precreate",
    "alipay.trade.query",
    "alipay.trade.close",
    "alipay.trade.cancel",
    "alipay.trade.refund",
    "alipay.trade.fastpay.refund.query",
    "alipay.data.dataservice.bill.downloadurl.query",
]
FIELDS = [
    "out_trade_no",
    "trade_no",
    "total_amount",
    "subject",
    "body",
    "product_code",
    "quit_url",
    "time_expire",
    "timeout_express",
    "qr_code_timeout_express",
    "passback_params",
    "store_id",
    "refund_amount",
    "out_request_no",
    "refund_reason",
    "query_options",
    "operator_id",
    "bill_type",
    "bill_date",
]
SENSIBLE = ["T1", "1.00", "2040-01-01 00:00:00", "1m", "1c", "trade", "2040-01", "9" * 5000, "\0"]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(SENSIBLE)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
BIZ = st.dictionaries(st.sampled_from(FIELDS), VALUES)
MANY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@MANY
@given(method=st.sampled_from(METHODS), biz=BIZ)
def test_any_content_gets_a_signed_answer(
    merchant: Merchant, method: str, biz: dict[str, Any]
) -> None:
    answer = merchant.call(method, biz, "both")

    assert answer["code"] in ("10000", "40002", "40004")


@MANY
@given(product=st.sampled_from(["page", "wap"]), biz=BIZ)
def test_any_browser_gets_the_cashier_or_a_page(
    merchant: Merchant, product: str, biz: dict[str, Any]
) -> None:
    parameters = merchant.parameters(f"alipay.trade.{product}.pay", biz)

    status, _, body = merchant.send(parameters, shape="both")

    assert status == 302 or (status == 200 and "错误代码" in body.decode())


@MANY
@given(query=st.binary(max_size=200), body=st.binary(max_size=200))
def test_any_bytes_get_an_answer(merchant: Merchant, query: bytes, body: bytes) -> None:
    merchant.query("x")
    assert merchant.connection
    target = f"/gateway.do?{quote_from_bytes(query, safe='&=%+')}"

    merchant.connection.request("POST", target, body)

    answer = merchant.connection.getresponse()
    assert (answer.status, answer.read()[:1]) == (200, b"{")


@pytest.mark.parametrize("subject", ["\ud800", "a\0b", "\u202e", "\n", "'\"<>", "％"])
def test_odd_subjects_are_refused_or_kept(merchant: Merchant, number: str, subject: str) -> None:
    text = f'{{"out_trade_no": "{number}", "total_amount": "1", "subject": "{escaped(subject)}"}}'

    answer = merchant.call("alipay.trade.precreate", text)

    if answer["code"] == "10000":
        assert merchant.process.control("GET", f"/trades/{number}")["subject"] == subject
        merchant.process.control("POST", f"/trades/{number}/pay")
    else:
        assert answer["sub_code"] in ("isv.invalid-parameter", "ACQ.INVALID_PARAMETER")


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(sign):04x}" for sign in text)
