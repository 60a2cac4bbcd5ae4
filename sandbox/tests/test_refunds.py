"""Money back: once for each number, never more than was paid."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tests.outside import Merchant


def balance(merchant: Merchant) -> str:
    found: str = merchant.process.control("GET", "/merchants")["items"][0]["balance"]
    return found


def refund_query(merchant: Merchant, number: str, request: str, **more: Any) -> Any:
    biz = {"out_trade_no": number, "out_request_no": request, **more}
    return merchant.call("alipay.trade.fastpay.refund.query", biz)


def cancel(merchant: Merchant, number: str) -> Any:
    return merchant.call("alipay.trade.cancel", {"out_trade_no": number})


def test_full_refund_closes_the_trade(merchant: Merchant, number: str) -> None:
    merchant.paid(number)

    answer = merchant.refund(number, "10.00")

    assert (answer["code"], answer["fund_change"], answer["refund_fee"]) == ("10000", "Y", "10.00")
    told = merchant.query(number)
    assert (told["trade_status"], told["total_amount"]) == ("TRADE_CLOSED", "10.00")
    assert balance(merchant) == "0.00"


def test_partial_refunds_add_up(merchant: Merchant, number: str) -> None:
    merchant.paid(number)

    fees = [merchant.refund(number, "3.00", f"r{i}")["refund_fee"] for i in range(3)]

    assert fees == ["3.00", "6.00", "9.00"]
    assert merchant.query(number)["trade_status"] == "TRADE_SUCCESS"
    refused = merchant.refund(number, "1.01", "r9")
    assert refused == {
        "code": "40004",
        "msg": "Business Failed",
        "sub_code": "ACQ.REASON_TRADE_REFUND_FEE_ERR",
        "sub_msg": "退款金额无效",
        "out_trade_no": number,
        "refund_fee": "0.00",
        "send_back_fee": "0.00",
    }
    assert merchant.refund(number, "1.00", "r4")["refund_fee"] == "10.00"
    assert merchant.query(number)["trade_status"] == "TRADE_CLOSED"
    assert merchant.refund(number, "1.00", "r5")["sub_code"] == "ACQ.TRADE_HAS_CLOSE"
    assert balance(merchant) == "0.00"


def test_repeated_refund_moves_no_money(merchant: Merchant, number: str) -> None:
    merchant.paid(number)
    first = merchant.refund(number, "4.00", "r1")

    again = merchant.refund(number, "4.00", "r1")

    assert (first["fund_change"], again["fund_change"]) == ("Y", "N")
    assert (again["code"], again["refund_fee"]) == ("10000", "4.00")
    assert merchant.refund(number, "5.00", "r1")["sub_code"] == "ACQ.DISCORDANT_REPEAT_REQUEST"


def test_repeated_refund_is_known_even_when_the_trade_is_closed(
    merchant: Merchant, number: str
) -> None:
    merchant.paid(number)
    merchant.refund(number, "10.00", "r1")

    again = merchant.refund(number, "10.00", "r1")

    assert (again["code"], again["fund_change"]) == ("10000", "N")


def test_partial_refund_needs_its_number(merchant: Merchant, number: str) -> None:
    merchant.paid(number)

    assert merchant.refund(number, "4.00")["sub_code"] == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"


@pytest.mark.parametrize("amount", ["0", "-1", "1.001", "abc", None, "100000001"])
def test_bad_amount_is_refused(merchant: Merchant, number: str, amount: Any) -> None:
    merchant.paid(number)

    assert merchant.refund(number, amount, "r")["sub_code"] == "ACQ.INVALID_PARAMETER"


def test_refund_in_the_console_is_heard_of_by_its_notice_only(
    merchant: Merchant, number: str
) -> None:
    merchant.paid(number)
    merchant.shop.wait(1)
    console = f"/trades/{number}/refund"

    merchant.process.control("POST", console, {"refund_amount": "1.00"})
    merchant.process.control("POST", console, {"refund_amount": "2.00", "out_request_no": "R2"})
    rest = merchant.process.control("POST", console)

    own, given, last = (each["out_request_no"] for each in rest["refunds"])
    assert [own.isdigit(), len(own), given, own != last] == [True, 24, "R2", True]
    assert (rest["refund_fee"], rest["trade_status"]) == ("10.00", "TRADE_CLOSED")
    told = [heard.fields for heard in merchant.shop.wait(3)[1:3]]
    assert [(each["out_biz_no"], each["refund_fee"]) for each in told] == [
        (own, "1.00"),
        ("R2", "3.00"),
    ]
    assert refund_query(merchant, number, own)["refund_amount"] == "1.00"


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"refund_amount": "10.01"}, 409),
        ({"refund_amount": "0"}, 422),
        ({"refund_amount": "1.001"}, 422),
        ({"refund_amount": ""}, 422),
        ({"refund_amount": 1}, 422),
        ({"out_request_no": "x" * 65}, 422),
        ({"amount": "1.00"}, 422),
    ],
)
def test_bad_refund_in_the_console_is_refused(
    merchant: Merchant, number: str, wanted: Any, status: int
) -> None:
    merchant.paid(number)

    assert merchant.process.ask("POST", f"/control/trades/{number}/refund", wanted)[0] == status

    assert balance(merchant) == "9.94"


def test_unpaid_trade_is_not_refunded_in_the_console(merchant: Merchant, number: str) -> None:
    merchant.page_pay(number)
    console = f"/control/trades/{number}/refund"

    before, _ = merchant.process.ask("POST", console)
    merchant.process.control("POST", f"/trades/{number}/scan")
    waiting, problem = merchant.process.ask("POST", console)

    assert (before, waiting, problem["sub_code"]) == (409, 409, "ACQ.TRADE_STATUS_ERROR")


def test_unpaid_trade_is_not_refunded(merchant: Merchant, number: str) -> None:
    merchant.page_pay(number)
    assert merchant.refund(number, "10.00")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    merchant.process.control("POST", f"/trades/{number}/scan")
    assert merchant.refund(number, "10.00")["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
    merchant.close(number)

    assert merchant.refund(number, "10.00")["sub_code"] == "ACQ.TRADE_HAS_CLOSE"


def test_seller_without_money_cannot_refund(merchant: Merchant, number: str) -> None:
    app = f"/merchants/{merchant.app_id}"
    merchant.paid(number)
    merchant.process.control("PATCH", app, {"balance": "9.93"})

    refused = merchant.refund(number, "10.00", "r")
    merchant.process.control("PATCH", app, {"balance": "9.94"})

    assert refused["sub_code"] == "ACQ.SELLER_BALANCE_NOT_ENOUGH"
    assert merchant.refund(number, "10.00", "r")["fund_change"] == "Y"
    assert balance(merchant) == "0.00"


def test_refund_is_found_by_its_number(merchant: Merchant, number: str) -> None:
    trade = merchant.paid(number)
    biz = {
        "out_trade_no": number,
        "refund_amount": "4.00",
        "out_request_no": "r1",
        "refund_reason": "不要了",
        "query_options": ["refund_detail_item_list"],
    }
    refunded = merchant.call("alipay.trade.refund", biz)

    found = refund_query(merchant, number, "r1", query_options=["gmt_refund_pay"])

    assert found == {
        "code": "10000",
        "msg": "Success",
        "gmt_refund_pay": refunded["gmt_refund_pay"],
        "out_request_no": "r1",
        "out_trade_no": number,
        "refund_amount": "4.00",
        "refund_reason": "不要了",
        "refund_status": "REFUND_SUCCESS",
        "total_amount": "10.00",
        "trade_no": trade["trade_no"],
    }
    assert refunded["refund_detail_item_list"][0]["amount"] == "4.00"


def test_refund_without_a_number_is_found_by_the_trades(merchant: Merchant, number: str) -> None:
    merchant.paid(number)
    merchant.refund(number, "10.00")

    assert refund_query(merchant, number, number)["refund_status"] == "REFUND_SUCCESS"


def test_unknown_refund_is_success_without_fields(merchant: Merchant, number: str) -> None:
    merchant.paid(number)

    assert refund_query(merchant, number, "nope") == {"code": "10000", "msg": "Success"}
    assert refund_query(merchant, "nope", "nope")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert refund_query(merchant, number, "")["sub_code"] == "ACQ.INVALID_PARAMETER"


def test_refunds_at_once_move_the_money_once(merchant: Merchant, number: str) -> None:
    merchant.paid(number)
    callers = [replace(merchant, connection=None) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        same = list(pool.map(lambda caller: caller.refund(number, "4.00", "r1"), callers))
        other = list(
            pool.map(lambda pair: pair[1].refund(number, "4.00", f"s{pair[0]}"), enumerate(callers))
        )

    assert sorted(answer["fund_change"] for answer in same) == ["N"] * 7 + ["Y"]
    assert sorted(answer["code"] for answer in other) == ["10000"] + ["40004"] * 7
    assert merchant.process.control("GET", f"/trades/{number}")["refund_fee"] == "8.00"
    for caller in callers:
        assert caller.connection
        caller.connection.close()


def test_cancel_closes_what_is_unpaid(merchant: Merchant, number: str) -> None:
    trade_no = {"out_trade_no": number}
    assert cancel(merchant, number) == {
        "code": "10000",
        "msg": "Success",
        **trade_no,
        "retry_flag": "N",
    }
    merchant.page_pay(number)
    merchant.process.control("POST", f"/trades/{number}/scan")

    answer = cancel(merchant, number)

    assert (answer["action"], answer["retry_flag"]) == ("close", "N")
    assert merchant.query(number)["trade_status"] == "TRADE_CLOSED"


def test_cancel_refunds_what_is_paid_once(merchant: Merchant, number: str) -> None:
    merchant.paid(number)

    answers = [cancel(merchant, number)["action"] for _ in range(2)]

    assert answers == ["refund", "refund"]
    assert merchant.process.control("GET", f"/trades/{number}")["refund_fee"] == "10.00"
    assert balance(merchant) == "0.00"


def test_cancel_is_for_the_same_day(merchant: Merchant, number: str) -> None:
    merchant.paid(number)

    merchant.process.control("POST", "/clock", {"advance": 86400})

    assert cancel(merchant, number)["sub_code"] == "ACQ.TRADE_CANCEL_TIME_OUT"
    merchant.process.control("PATCH", "/settings", {"cancel_same_day": False})
    assert cancel(merchant, number)["action"] == "refund"


def test_cancel_leaves_a_partly_refunded_trade_alone(merchant: Merchant, number: str) -> None:
    merchant.paid(number)
    merchant.refund(number, "1.00", "r")

    assert cancel(merchant, number)["sub_code"] == "ACQ.REASON_TRADE_REFUND_FEE_ERR"


def test_settings_name_the_refusals(merchant: Merchant, number: str) -> None:
    merchant.process.control(
        "PATCH",
        "/settings",
        {
            "refund_when_closed": "REASON_TRADE_STATUS_INVALID",
            "refund_too_much": "REFUND_AMT_NOT_EQUAL_TOTAL",
        },
    )
    merchant.paid(number)

    too_much = merchant.refund(number, "10.01", "r1")
    merchant.refund(number, "10.00")
    closed = merchant.refund(number, "1.00", "r2")

    assert too_much["sub_code"] == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
    assert closed["sub_code"] == "ACQ.REASON_TRADE_STATUS_INVALID"
