"""What is made to go wrong."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import replace
from http.client import RemoteDisconnected
from typing import Any

import pytest

from tests.outside import Merchant

QUERY = "alipay.trade.query"


def fault(merchant: Merchant, kind: str, **more: Any) -> None:
    merchant.process.control("PUT", "/faults", {"kind": kind, "times": 1, **more})


def raw(merchant: Merchant, method: str, biz: Any) -> tuple[int, dict[str, str], bytes]:
    caller = replace(merchant, connection=None)
    try:
        return caller.send(caller.parameters(method, biz))
    finally:
        if caller.connection:
            caller.connection.close()


def test_fault_is_used_up(merchant: Merchant) -> None:
    fault(merchant, "html", times=2)

    kinds = [raw(merchant, QUERY, {"out_trade_no": "x"})[2][:1] for _ in range(3)]

    assert kinds == [b"<", b"<", b"{"]
    assert merchant.process.control("GET", "/faults")["items"][0]["used"] == 2


def test_server_error_and_html_page(merchant: Merchant) -> None:
    fault(merchant, "http_500")
    status, _, _ = raw(merchant, QUERY, {"out_trade_no": "x"})
    assert status == 500

    fault(merchant, "html")
    status, headers, body = raw(merchant, QUERY, {"out_trade_no": "x"})

    assert (status, headers["Content-Type"]) == (200, "text/html;charset=utf-8")
    assert b"502 Bad Gateway" in body


def test_unsigned_and_wrongly_signed_answers(merchant: Merchant) -> None:
    fault(merchant, "unsigned")
    body = json.loads(raw(merchant, QUERY, {"out_trade_no": "x"})[2])
    assert list(body) == ["alipay_trade_query_response"]

    fault(merchant, "wrong_signature")

    with pytest.raises(AssertionError, match="wrong signature"):
        merchant.query("x")


def test_system_error_and_any_other_refusal(merchant: Merchant) -> None:
    fault(merchant, "system_error")
    assert merchant.query("x")["sub_code"] == "ACQ.SYSTEM_ERROR"
    fault(merchant, "system_error", code="20000")
    assert merchant.query("x")["msg"] == "Service Currently Unavailable"

    fault(merchant, "refuse", sub_code="ACQ.EXIST_FORBIDDEN_WORD")

    assert merchant.query("x")["sub_code"] == "ACQ.EXIST_FORBIDDEN_WORD"


def test_error_response_is_unsigned(merchant: Merchant) -> None:
    fault(merchant, "error_response")

    body = json.loads(raw(merchant, QUERY, {"out_trade_no": "x"})[2])

    assert (list(body), body["error_response"]["code"]) == (["error_response"], "20000")


def test_connection_is_reset(merchant: Merchant) -> None:
    fault(merchant, "reset")

    with pytest.raises(ConnectionResetError):
        raw(merchant, QUERY, {"out_trade_no": "x"})


def test_timeout_answers_nothing(merchant: Merchant) -> None:
    fault(merchant, "timeout", seconds=0.4)
    started = time.monotonic()

    with pytest.raises(RemoteDisconnected):
        raw(merchant, QUERY, {"out_trade_no": "x"})

    assert time.monotonic() - started >= 0.4


def test_timeout_does_not_hold_up_others(merchant: Merchant) -> None:
    merchant.query("x")
    fault(merchant, "timeout", seconds=2, out_trade_no="slow")
    caller = replace(merchant, connection=None)
    caller.send(caller.parameters(QUERY, {"out_trade_no": "quick"}))
    assert caller.connection
    caller.connection.request("GET", "/gateway.do?x=1")
    started = time.monotonic()

    merchant.query("x")

    assert time.monotonic() - started < 1
    caller.connection.close()


@pytest.mark.parametrize("kind", ["timeout", "reset", "http_500", "html", "system_error"])
@pytest.mark.parametrize(
    ("when", "status"), [("before", "TRADE_SUCCESS"), ("after", "TRADE_CLOSED")]
)
def test_money_has_moved_only_after_the_work(
    merchant: Merchant, number: str, kind: str, when: str, status: str
) -> None:
    merchant.paid(number)
    fault(merchant, kind, when=when, method="alipay.trade.refund", seconds=0)

    with contextlib.suppress(ConnectionResetError, RemoteDisconnected):
        raw(merchant, "alipay.trade.refund", {"out_trade_no": number, "refund_amount": "10.00"})

    assert merchant.query(number)["trade_status"] == status
    assert merchant.refund(number, "10.00")["fund_change"] == ("Y" if when == "before" else "N")


@pytest.mark.parametrize(
    "narrow",
    [{"method": "alipay.trade.close"}, {"app_id": "1"}, {"out_trade_no": "other"}],
    ids=str,
)
def test_fault_is_for_whom_it_is_for(merchant: Merchant, narrow: dict[str, str]) -> None:
    fault(merchant, "unsigned", **narrow)

    assert merchant.query("x")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert merchant.process.control("GET", "/faults")["items"][0]["used"] == 0


def test_fault_finds_a_trade_by_its_trade_no_too(merchant: Merchant, number: str) -> None:
    trade = merchant.paid(number)
    fault(merchant, "system_error", out_trade_no=number)

    answer = merchant.call(QUERY, {"trade_no": trade["trade_no"]})

    assert answer["sub_code"] == "ACQ.SYSTEM_ERROR"


def test_fault_of_the_browsers_call(merchant: Merchant, number: str) -> None:
    fault(merchant, "system_error", method="alipay.trade.page.pay")

    status, page = merchant.page_pay(number)

    assert (status, "<code>SYSTEM_ERROR</code>" in page) == (200, True)
    assert merchant.process.ask("GET", f"/control/trades/{number}")[0] == 404


def test_first_fitting_fault_is_taken_and_all_can_be_taken_away(merchant: Merchant) -> None:
    wanted = [{"kind": "http_500", "times": 1}, {"kind": "html"}]
    merchant.process.control("PUT", "/faults", {"items": wanted})
    merchant.process.control("POST", "/faults", {"kind": "reset"})

    statuses = [raw(merchant, QUERY, {"out_trade_no": "x"})[0] for _ in range(3)]
    merchant.process.control("DELETE", "/faults")

    assert statuses == [500, 200, 200]
    assert merchant.query("x")["sub_code"] == "ACQ.TRADE_NOT_EXIST"


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "x"}, {}, {"kind": "html", "times": 0}, {"kind": "html", "x": 1}, []],
    ids=str,
)
def test_faults_refuse_nonsense(merchant: Merchant, wrong: Any) -> None:
    assert merchant.process.ask("PUT", "/control/faults", wrong)[0] == 422
