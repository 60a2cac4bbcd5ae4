"""A trade's life: asked for, opened, paid, closed, timed out, finished."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.outside import BEIJING, Merchant, beijing

DAY = 86400


def status_of(merchant: Merchant, number: str) -> str | None:
    status: str | None = merchant.process.control("GET", f"/trades/{number}")["trade_status"]
    return status


def test_trade_does_not_exist_before_a_buyer_opens_it(merchant: Merchant, number: str) -> None:
    merchant.page_pay(number)

    for answer in (merchant.query(number), merchant.close(number)):
        assert (answer["code"], answer["sub_code"]) == ("40004", "ACQ.TRADE_NOT_EXIST")
    trade = merchant.process.control("GET", f"/trades/{number}")
    assert (trade["trade_status"], trade["trade_no"]) == (None, None)


def test_unknown_trade_is_told_with_zeros(merchant: Merchant) -> None:
    assert merchant.query("nope") == {
        "code": "40004",
        "msg": "Business Failed",
        "sub_code": "ACQ.TRADE_NOT_EXIST",
        "sub_msg": "交易不存在",
        "buyer_pay_amount": "0.00",
        "invoice_amount": "0.00",
        "out_trade_no": "nope",
        "point_amount": "0.00",
        "receipt_amount": "0.00",
    }


def test_trade_that_was_never_asked_for_is_404(merchant: Merchant) -> None:
    assert merchant.process.ask("GET", "/control/trades/nope")[0] == 404


def test_opened_trade_waits_for_the_buyer(merchant: Merchant, number: str) -> None:
    merchant.page_pay(number)

    merchant.process.control("POST", f"/trades/{number}/scan")

    answer = merchant.query(number)
    assert (answer["code"], answer["trade_status"]) == ("10000", "WAIT_BUYER_PAY")
    assert "send_pay_date" not in answer


def test_paid_trade_is_told_in_full(merchant: Merchant, number: str) -> None:
    trade = merchant.paid(number, "0.10", passback_params="a%3D1")

    answer = merchant.query(number)

    assert answer == {
        "code": "10000",
        "msg": "Success",
        "buyer_logon_id": "buy***@sandbox.com",
        "buyer_pay_amount": "0.10",
        "buyer_user_id": "2088000000000002",
        "buyer_user_type": "PRIVATE",
        "fund_bill_list": [{"amount": "0.10", "fund_channel": "ALIPAYACCOUNT"}],
        "invoice_amount": "0.10",
        "out_trade_no": number,
        "passback_params": "a%3D1",
        "point_amount": "0.00",
        "receipt_amount": "0.10",
        "send_pay_date": trade["gmt_payment"][:19].replace("T", " "),
        "total_amount": "0.10",
        "trade_no": trade["trade_no"],
        "trade_status": "TRADE_SUCCESS",
    }
    assert len(trade["trade_no"]) == 28
    by_trade_no = merchant.call(
        "alipay.trade.query", {"trade_no": trade["trade_no"], "out_trade_no": "other"}
    )
    assert by_trade_no == answer


@pytest.mark.parametrize(
    ("fields", "ok"),
    [
        ({"total_amount": "0.01"}, True),
        ({"total_amount": 1.5}, True),
        ({"total_amount": "100000000"}, True),
        ({"total_amount": "100000000.01"}, False),
        ({"total_amount": "0"}, False),
        ({"total_amount": "1.001"}, False),
        ({"total_amount": None}, False),
        ({"out_trade_no": "a" * 64}, True),
        ({"out_trade_no": "a" * 65}, False),
        ({"out_trade_no": "a b"}, False),
        ({"out_trade_no": ""}, False),
        ({"out_trade_no": {"a": 1}}, False),
        ({"subject": "茶" * 256}, True),
        ({"subject": "茶" * 257}, False),
        ({"subject": "a/b"}, False),
        ({"subject": "🍵"}, False),
        ({"subject": ""}, False),
        ({"product_code": "QUICK_WAP_WAY"}, False),
        ({"timeout_express": "1m"}, True),
        ({"timeout_express": "15d"}, True),
        ({"timeout_express": "1c"}, True),
        ({"timeout_express": "16d"}, False),
        ({"timeout_express": "1.5h"}, False),
        ({"timeout_express": "0m"}, False),
        ({"time_expire": "2026-1-1 00:00"}, False),
        ({"time_expire": "2020-01-01 00:00:00"}, False),
        ({"time_expire": "2099-01-01 00:00:00"}, False),
        ({"body": ["x"]}, False),
        ({"quit_url": "javascript:alert(1)"}, False),
    ],
    ids=str,
)
def test_request_is_checked(
    merchant: Merchant, number: str, fields: dict[str, Any], ok: bool
) -> None:
    given = {"out_trade_no": number, "total_amount": "1.00", **fields}

    status, where = merchant.page_pay(given.pop("out_trade_no"), given.pop("total_amount"), **given)

    assert status == (302 if ok else 200), where
    assert where.startswith("/cashier/") if ok else "PARAMETER" in where or "EXCEED" in where


def test_later_request_wins_until_a_buyer_opens_it(merchant: Merchant, number: str) -> None:
    merchant.page_pay(number, "1.00")
    merchant.page_pay(number, "2.00", subject="other")

    paid = merchant.process.control("POST", f"/trades/{number}/pay")

    assert (paid["total_amount"], paid["subject"]) == ("2.00", "other")


def test_opened_trade_is_reopened_by_the_same_request_only(merchant: Merchant, number: str) -> None:
    merchant.page_pay(number, "1.00")
    merchant.process.control("POST", f"/trades/{number}/scan")

    assert merchant.page_pay(number, "1.00")[0] == 302
    for fields in ({"amount": "2.00"}, {"amount": "1.00", "subject": "x"}):
        status, page = merchant.page_pay(number, **fields)
        assert status == 200
        assert "<code>CONTEXT_INCONSISTENT</code>" in page


def test_paid_trade_is_not_paid_again(merchant: Merchant, number: str) -> None:
    merchant.paid(number)

    _, page = merchant.page_pay(number)
    status, problem = merchant.process.ask("POST", f"/control/trades/{number}/pay")

    assert "<code>TRADE_HAS_SUCCESS</code>" in page
    assert (status, problem["sub_code"]) == (409, "ACQ.TRADE_HAS_SUCCESS")


def test_closed_trade_stays_closed(merchant: Merchant, number: str) -> None:
    merchant.page_pay(number)
    merchant.process.control("POST", f"/trades/{number}/scan")

    closed = merchant.close(number)

    assert (closed["code"], closed["out_trade_no"]) == ("10000", number)
    assert status_of(merchant, number) == "TRADE_CLOSED"
    assert merchant.close(number)["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
    assert "<code>TRADE_HAS_CLOSE</code>" in merchant.page_pay(number)[1]
    for step in ("scan", "pay"):
        status, problem = merchant.process.ask("POST", f"/control/trades/{number}/{step}")
        assert (status, problem["sub_code"]) == (409, "ACQ.TRADE_HAS_CLOSE")


def test_paid_trade_cannot_be_closed(merchant: Merchant, number: str) -> None:
    merchant.paid(number)

    assert merchant.close(number)["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
    assert status_of(merchant, number) == "TRADE_SUCCESS"


def test_trade_belongs_to_the_buyer_who_opened_it(merchant: Merchant, number: str) -> None:
    merchant.page_pay(number)
    merchant.process.control("POST", f"/trades/{number}/scan", {"buyer": "other@sandbox.com"})

    status, problem = merchant.process.ask(
        "POST", f"/control/trades/{number}/pay", {"buyer": "buyer@sandbox.com"}
    )

    assert (status, problem["sub_code"]) == (409, "ACQ.TRADE_BUYER_NOT_MATCH")
    assert merchant.process.control("POST", f"/trades/{number}/pay")["buyer_logon_id"] == (
        "other@sandbox.com"
    )


def test_opened_trade_closes_when_its_time_is_over(merchant: Merchant, number: str) -> None:
    end = datetime.now(BEIJING).replace(microsecond=0) + timedelta(minutes=30)
    merchant.page_pay(number, time_expire=beijing(end))
    merchant.process.control("POST", f"/trades/{number}/scan")

    merchant.process.control("POST", "/clock", {"to": (end - timedelta(seconds=1)).isoformat()})
    assert merchant.query(number)["trade_status"] == "WAIT_BUYER_PAY"
    merchant.process.control("POST", "/clock", {"to": end.isoformat()})

    assert merchant.query(number)["trade_status"] == "TRADE_CLOSED"
    trade = merchant.process.control("GET", f"/trades/{number}")
    assert datetime.fromisoformat(trade["gmt_close"]) == end
    assert merchant.process.ask("POST", f"/control/trades/{number}/pay")[0] == 409


def test_unopened_trade_cannot_be_opened_when_its_time_is_over(
    merchant: Merchant, number: str
) -> None:
    merchant.page_pay(number, timeout_express="5m")

    merchant.process.control("POST", "/clock", {"advance": 301})

    status, problem = merchant.process.ask("POST", f"/control/trades/{number}/scan")
    assert (status, problem["sub_code"]) == (409, "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR")
    assert merchant.query(number)["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert merchant.page_pay(number)[0] == 302


def test_mobile_timeout_counts_from_the_opening(merchant: Merchant, number: str) -> None:
    merchant.page_pay(number, product="wap", product_code="QUICK_WAP_WAY", timeout_express="5m")
    merchant.process.control("POST", "/clock", {"advance": 3600})
    merchant.process.control("POST", f"/trades/{number}/scan")

    merchant.process.control("POST", "/clock", {"advance": 299})
    assert status_of(merchant, number) == "WAIT_BUYER_PAY"
    merchant.process.control("POST", "/clock", {"advance": 1})

    assert status_of(merchant, number) == "TRADE_CLOSED"


def test_timeout_until_midnight_ends_at_midnight(merchant: Merchant, number: str) -> None:
    merchant.page_pay(number, timeout_express="1c")

    ends = merchant.process.control("GET", f"/trades/{number}")["expires_at"]

    assert ends[11:] == "00:00:00+08:00"


@pytest.mark.parametrize("code", ["QUICK_WAP_WAY", "QUICK_WAP_PAY"])
def test_mobile_page_takes_both_product_codes(merchant: Merchant, number: str, code: str) -> None:
    paid = merchant.paid(number, product="wap", product_code=code, quit_url="http://x/quit")

    assert (paid["trade_status"], paid["product"]) == ("TRADE_SUCCESS", "alipay.trade.wap.pay")


def test_qr_code_is_the_same_for_the_same_order_and_ends_after_two_hours(
    merchant: Merchant, number: str
) -> None:
    biz = {"out_trade_no": number, "subject": "茶", "total_amount": "1.00"}
    first = merchant.call("alipay.trade.precreate", biz)
    assert merchant.call("alipay.trade.precreate", biz) == first
    assert merchant.query(number)["sub_code"] == "ACQ.TRADE_NOT_EXIST"

    merchant.process.control("POST", "/clock", {"advance": 7201})

    assert merchant.process.ask("POST", f"/control/trades/{number}/scan")[0] == 409
    merchant.call("alipay.trade.precreate", biz)
    assert merchant.process.control("POST", f"/trades/{number}/pay")["trade_no"]


def test_precreate_refuses_what_the_page_refuses(merchant: Merchant, number: str) -> None:
    merchant.paid(number, "1.00")
    biz = {"out_trade_no": number, "subject": "茶 tea", "total_amount": "1.00"}

    answer = merchant.call("alipay.trade.precreate", biz)

    assert answer == {
        "code": "40004",
        "msg": "Business Failed",
        "sub_code": "ACQ.TRADE_HAS_SUCCESS",
        "sub_msg": "交易已被支付",
    }
    late = {**biz, "out_trade_no": number + "b", "time_expire": "2020-01-01 00:00:00"}
    answer = merchant.call("alipay.trade.precreate", late)
    assert answer["sub_code"] == "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR"


def test_trade_is_finished_when_the_refund_window_is_over(merchant: Merchant, number: str) -> None:
    merchant.paid(number)

    merchant.process.control("POST", "/clock", {"advance": 365 * DAY - 60})
    assert merchant.query(number)["trade_status"] == "TRADE_SUCCESS"
    merchant.process.control("POST", "/clock", {"advance": 60})

    assert merchant.query(number)["trade_status"] == "TRADE_FINISHED"
    assert merchant.refund(number, "1.00", "a")["sub_code"] == "ACQ.TRADE_HAS_FINISHED"


def test_product_without_refunds_is_finished_at_once(merchant: Merchant, number: str) -> None:
    merchant.process.control("PATCH", "/settings", {"refund_window": 0})

    assert merchant.paid(number)["trade_status"] == "TRADE_FINISHED"
    assert merchant.shop.wait(1)[0].fields["trade_status"] == "TRADE_FINISHED"


def test_history_tells_all_that_happened(merchant: Merchant, number: str) -> None:
    merchant.paid(number)
    merchant.refund(number, "10.00")

    history = merchant.process.control("GET", f"/trades/{number}")["history"]

    assert [event["kind"] for event in history] == ["asked", "opened", "paid", "refunded"]


def test_settings_decide_where_sources_disagree(merchant: Merchant, number: str) -> None:
    change = merchant.process.control
    assert merchant.page_pay(f"{number}-1")[0] == 302
    change("PATCH", "/settings", {"strict_out_trade_no": True, "strict_subject": False})
    assert merchant.page_pay(f"{number}-2")[0] == 200
    assert merchant.page_pay(number, subject="a/b")[0] == 302
    change("PATCH", "/settings", {"time_expire_at_least": 60})
    soon = beijing(datetime.now(BEIJING) + timedelta(seconds=30))
    assert merchant.page_pay(number, time_expire=soon)[0] == 200
    change("PATCH", "/settings", {"amounts_in_query": "zero", "buyer_identity": "open_id"})

    change("POST", f"/trades/{number}/pay")

    answer = merchant.query(number)
    assert (answer["buyer_pay_amount"], answer["total_amount"]) == ("0.00", "10.00")
    assert "buyer_open_id" in answer
    assert "buyer_user_id" not in answer
