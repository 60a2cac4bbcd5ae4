"""How a merchant is told, again and again, until it says ``success``."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.outside import Heard, Merchant, Shop

A = [240, 600, 600, 3600, 7200, 21600, 54000]
B = [120, 600, 600, 3600, 7200, 21600, 54000]


def notices(merchant: Merchant, number: str) -> list[Any]:
    found: list[Any] = merchant.process.control("GET", f"/notices?out_trade_no={number}")["items"]
    return found


def settled(merchant: Merchant, number: str, attempts: int) -> Any:
    """Wait until the first notice of a trade has been tried so often."""
    for _ in range(500):
        found = notices(merchant, number)
        if found and len(found[0]["attempts"]) >= attempts:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(found)


def advance(merchant: Merchant, seconds: float) -> int:
    done: int = merchant.process.control("POST", "/clock", {"advance": seconds})["done"]
    return done


def fail(heard: Heard) -> tuple[int, str]:
    return 200, "fail"


def test_payment_is_told_once_and_signed(merchant: Merchant, number: str) -> None:
    trade = merchant.paid(number, "0.10", body="b", passback_params="a%3D1%262")

    heard = merchant.shop.wait(1)[0]

    assert merchant.hears(heard)
    assert heard.headers["Content-Type"] == "application/x-www-form-urlencoded; charset=utf-8"
    assert heard.headers["User-Agent"] == "Mozilla/4.0"
    assert "Cookie" not in heard.headers
    fields = heard.fields
    assert "" not in fields.values()
    assert {name: fields[name] for name in fields if name in trade} | {"refund_fee": "0.00"} == {
        name: trade[name] for name in fields if name in trade and not name.startswith("gmt")
    } | {
        "refund_fee": "0.00",
        "gmt_create": trade["gmt_create"][:19].replace("T", " "),
        "gmt_payment": trade["gmt_payment"][:19].replace("T", " "),
    }
    assert (fields["trade_status"], fields["passback_params"]) == ("TRADE_SUCCESS", "a%3D1%262")
    assert fields["fund_bill_list"] == '[{"amount":"0.10","fundChannel":"ALIPAYACCOUNT"}]'
    assert len(fields["notify_id"]) == 34
    assert advance(merchant, 3 * 86400) == 0
    assert len(merchant.shop.heard) == 1


@pytest.mark.parametrize(("ladder", "gaps"), [("A", A), ("B", B), ([1, 2.5], [1, 2.5])])
def test_refused_notice_climbs_the_ladder(
    merchant: Merchant, number: str, ladder: Any, gaps: list[float]
) -> None:
    merchant.process.control("PATCH", "/settings", {"ladder": ladder})
    merchant.shop.answer = fail
    merchant.paid(number)
    settled(merchant, number, 1)

    advance(merchant, 3 * 86400)

    notice = notices(merchant, number)[0]
    times = [datetime.fromisoformat(attempt["at"]) for attempt in notice["attempts"]]
    assert [(b - a).total_seconds() for a, b in pairwise(times)] == gaps
    assert notice["state"] == "given up"
    assert {attempt["body"] for attempt in notice["attempts"]} == {"fail"}


def test_retry_keeps_its_id_and_not_its_time(merchant: Merchant, number: str) -> None:
    merchant.shop.answer = fail
    merchant.paid(number)
    settled(merchant, number, 1)

    advance(merchant, 240)

    first, second = merchant.shop.wait(2)
    assert first.fields["notify_id"] == second.fields["notify_id"]
    times = [datetime.fromisoformat(heard.fields["notify_time"]) for heard in (first, second)]
    assert times[1] - times[0] == timedelta(seconds=240)
    assert merchant.hears(second)
    assert first.fields["sign"] != second.fields["sign"]


def test_success_ends_the_ladder(merchant: Merchant, number: str) -> None:
    merchant.shop.answer = fail
    merchant.paid(number)
    settled(merchant, number, 1)
    merchant.shop.answer = lambda heard: (200, "success")

    advance(merchant, 3 * 86400)

    notice = notices(merchant, number)[0]
    assert [attempt["body"] for attempt in notice["attempts"]] == ["fail", "success"]
    assert notice["state"] == "delivered"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "SUCCESS"),
        (200, "success\n"),
        (200, '"success"'),
        (200, "\ufeffsuccess"),
        (200, ""),
        (201, "success"),
        (204, ""),
        (302, "success"),
        (500, "success"),
    ],
)
def test_anything_but_success_is_a_failure(
    merchant: Merchant, number: str, status: int, body: str
) -> None:
    merchant.shop.answer = lambda heard: (status, body)

    merchant.paid(number)

    notice = settled(merchant, number, 1)
    assert notice["state"] == "pending"
    assert (notice["attempts"][0]["status"], notice["attempts"][0]["body"]) == (status, body)
    assert len(merchant.shop.heard) == 1


def test_merchant_that_does_not_answer_is_called_again(merchant: Merchant, number: str) -> None:
    merchant.process.control("PATCH", "/settings", {"notify_timeout": 0.3})

    def sleep(heard: Heard) -> None:
        time.sleep(1)

    merchant.shop.answer = sleep
    merchant.paid(number)
    slow = settled(merchant, number, 1)["attempts"][0]
    merchant.page_pay(f"{number}b", notify_url="http://127.0.0.1:9/nobody/")
    merchant.process.control("POST", f"/trades/{number}b/pay")
    refused = settled(merchant, f"{number}b", 1)["attempts"][0]

    assert (slow["status"], refused["status"]) == (None, None)
    assert "timed out" in slow["error"].lower()
    assert "refused" in refused["error"].lower()
    assert 200 <= slow["milliseconds"] < 900


def test_slow_merchant_does_not_hold_up_another(merchant: Merchant, number: str) -> None:
    slow = Shop()
    slow.answer = lambda heard: time.sleep(2)
    for i in range(20):
        merchant.page_pay(f"{number}_{i}", notify_url=slow.notify_url)
        merchant.process.control("POST", f"/trades/{number}_{i}/pay")
    started = time.monotonic()

    merchant.paid(number)

    merchant.shop.wait(1)
    assert time.monotonic() - started < 1.5
    slow.close()


def test_no_notify_url_no_notice(merchant: Merchant, number: str) -> None:
    merchant.page_pay(number, notify_url=None)
    merchant.process.control("POST", f"/trades/{number}/pay")

    assert notices(merchant, number) == []


# -- which changes are told ------------------------------------------------------------------------


def story(merchant: Merchant, number: str, product: str) -> list[tuple[str, str | None]]:
    """What is told of three trades: one refunded in parts, one never paid, one kept."""
    starts: dict[str, Callable[[str], Any]] = {
        "page": lambda n: merchant.page_pay(n),
        "wap": lambda n: merchant.page_pay(n, product="wap", product_code="QUICK_WAP_WAY"),
        "precreate": lambda n: merchant.call(
            "alipay.trade.precreate",
            {"out_trade_no": n, "subject": "茶", "total_amount": "10.00"},
            notify_url=merchant.shop.notify_url,
        ),
    }
    start = starts[product]
    start(number)
    merchant.process.control("POST", f"/trades/{number}/pay")
    merchant.refund(number, "4.00", "r1")
    merchant.refund(number, "6.00", "r2")
    for end in ("b", "c"):
        start(number + end)
        merchant.process.control("POST", f"/trades/{number}{end}/scan")
    merchant.process.control("POST", f"/trades/{number}c/pay")
    merchant.process.control("POST", "/clock", {"advance": 400 * 86400})
    made = [notice for end in ("", "b", "c") for notice in notices(merchant, number + end)]
    return [(notice["trade_status"], notice["fields"].get("refund_fee")) for notice in made]


def test_pc_page_tells_success_only(merchant: Merchant, number: str) -> None:
    assert story(merchant, number, "page") == [
        ("TRADE_SUCCESS", None),
        ("TRADE_SUCCESS", "4.00"),
        ("TRADE_SUCCESS", None),
    ]


def test_mobile_page_tells_closed_too(merchant: Merchant, number: str) -> None:
    assert story(merchant, number, "wap") == [
        ("TRADE_SUCCESS", None),
        ("TRADE_SUCCESS", "4.00"),
        ("TRADE_CLOSED", "10.00"),
        ("TRADE_CLOSED", None),
        ("TRADE_SUCCESS", None),
    ]


def test_qr_code_tells_success_only(merchant: Merchant, number: str) -> None:
    assert [state for state, _ in story(merchant, number, "precreate")] == ["TRADE_SUCCESS"] * 3


def test_everything_is_told_if_so_set(merchant: Merchant, number: str) -> None:
    merchant.process.control("PATCH", "/settings", {"notify_everything": True})

    assert story(merchant, number, "page") == [
        ("WAIT_BUYER_PAY", None),
        ("TRADE_SUCCESS", None),
        ("TRADE_SUCCESS", "4.00"),
        ("TRADE_CLOSED", "10.00"),
        ("WAIT_BUYER_PAY", None),
        ("TRADE_CLOSED", None),
        ("WAIT_BUYER_PAY", None),
        ("TRADE_SUCCESS", None),
        ("TRADE_FINISHED", None),
    ]


def test_triggers_can_be_set_for_each_product(merchant: Merchant, number: str) -> None:
    triggers = {"page": {"TRADE_CLOSED": True}}
    merchant.process.control("PATCH", "/settings", {"notify_triggers": triggers})

    assert story(merchant, number, "page") == [("TRADE_CLOSED", "10.00"), ("TRADE_CLOSED", None)]
    assert story(merchant, f"{number}w", "wap") == []


def test_refund_notice_names_its_refund(merchant: Merchant, number: str) -> None:
    merchant.paid(number)
    merchant.refund(number, "4.00", "r1")

    fields = notices(merchant, number)[1]["fields"]

    assert (fields["refund_fee"], fields["out_biz_no"]) == ("4.00", "r1")
    assert len(fields["gmt_refund"]) == len("2026-01-02 03:04:05.678")
    for name in ("receipt_amount", "buyer_pay_amount", "fund_bill_list", "gmt_close"):
        assert name not in fields


@pytest.mark.parametrize("stands_in", ["out_trade_no", "trade_no"])
def test_refund_without_a_number_is_named_by_the_trade(
    merchant: Merchant, number: str, stands_in: str
) -> None:
    merchant.process.control("PATCH", "/settings", {"out_biz_no": stands_in})
    trade = merchant.paid(number, product="wap", product_code="QUICK_WAP_WAY")
    merchant.refund(number, "10.00")

    fields = notices(merchant, number)[1]["fields"]

    assert fields["out_biz_no"] == trade[stands_in]
    assert fields["gmt_close"]


# -- tampering -------------------------------------------------------------------------------------


def policy(merchant: Merchant, **wanted: Any) -> None:
    merchant.process.control("PUT", "/notify-policy", wanted)


def test_dropped_notices_are_never_sent(merchant: Merchant, number: str) -> None:
    policy(merchant, drop=True)
    merchant.paid(number)

    advance(merchant, 3 * 86400)

    notice = notices(merchant, number)[0]
    assert (notice["state"], notice["attempts"]) == ("dropped", [])
    assert merchant.shop.heard == []
    sent = merchant.process.control("POST", f"/notices/{notice['notify_id']}/send")
    assert [attempt["body"] for attempt in sent["attempts"]] == ["success"]


def test_the_next_notices_are_dropped(merchant: Merchant, number: str) -> None:
    policy(merchant, drop=2)

    for i in range(3):
        merchant.paid(f"{number}_{i}")

    merchant.shop.wait(1)
    states = [notices(merchant, f"{number}_{i}")[0]["state"] for i in range(2)]
    assert states == ["dropped", "dropped"]
    assert merchant.shop.heard[0].fields["out_trade_no"] == f"{number}_2"
    assert merchant.process.control("GET", "/notify-policy")["drop"] == 0


def test_delayed_notice_comes_later(merchant: Merchant, number: str) -> None:
    policy(merchant, delay=60)
    merchant.paid(number)

    advance(merchant, 59)
    early = len(merchant.shop.heard)
    advance(merchant, 1)

    assert (early, len(merchant.shop.heard)) == (0, 1)


def test_duplicated_notice_comes_so_often(merchant: Merchant, number: str) -> None:
    policy(merchant, duplicate=2)

    merchant.paid(number)

    heard = merchant.shop.wait(3)
    assert len({one.fields["notify_id"] for one in heard}) == 1
    notice = settled(merchant, number, 3)
    assert notice["state"] == "delivered"


def test_shuffled_notices_overtake_each_other(merchant: Merchant, number: str) -> None:
    merchant.process.control("POST", "/clock", {"mode": "frozen"})
    policy(merchant, shuffle=True)
    for i in range(12):
        merchant.paid(f"{number}_{i:02d}")

    advance(merchant, 5)

    order = [heard.fields["out_trade_no"] for heard in merchant.shop.wait(12)]
    assert order != sorted(order)
    assert sorted(order) == [f"{number}_{i:02d}" for i in range(12)]


def test_notice_can_be_sent_again_at_once(merchant: Merchant, number: str) -> None:
    merchant.paid(number)
    notice = settled(merchant, number, 1)

    sent = merchant.process.control(
        "POST", f"/notices/{notice['notify_id']}/send", {"times": 10, "at_once": True}
    )

    assert len(sent["attempts"]) == 11
    assert len({heard.fields["notify_id"] for heard in merchant.shop.heard}) == 1


@pytest.mark.parametrize(
    ("sign_with", "is_real"), [("alipay", True), ("stranger", False), ("none", False)]
)
def test_forged_notice_is_sent_as_ordered(
    merchant: Merchant, number: str, sign_with: str, is_real: bool
) -> None:
    merchant.shop.answer = lambda heard: (418, "no")
    merchant.page_pay(number)

    said = merchant.process.control(
        "POST",
        "/forge",
        {
            "out_trade_no": number,
            "fields": {"total_amount": "0.01", "buyer_id": None, "new": "茶 +&="},
            "sign_with": sign_with,
            "extra": [["app_id", "other"]],
        },
    )

    (heard,) = merchant.shop.heard
    assert (said["status"], said["body"]) == (418, "no")
    assert (heard.fields["total_amount"], heard.fields["new"]) == ("0.01", "茶 +&=")
    assert heard.fields["trade_status"] == "TRADE_SUCCESS"
    assert "buyer_id" not in heard.fields
    assert heard.raw.count(b"app_id=") == 3  # app_id, auth_app_id, and the extra one
    honest = {**heard.fields, "app_id": merchant.app_id}
    assert merchant.verifies(honest) is is_real
    assert ("sign" in heard.fields) is (sign_with != "none")
    assert merchant.process.control("GET", f"/trades/{number}")["trade_status"] is None


def test_forged_notice_may_be_of_an_unknown_trade(merchant: Merchant, number: str) -> None:
    forged = {"out_trade_no": "unknown", "notify_url": merchant.shop.notify_url}

    said = merchant.process.control("POST", "/forge", forged)

    assert (said["status"], merchant.shop.heard[0].fields["out_trade_no"]) == (200, "unknown")
    assert merchant.process.ask("GET", "/control/trades/unknown")[0] == 404


def test_forged_notice_needs_an_address(merchant: Merchant, number: str) -> None:
    status, problem = merchant.process.ask("POST", "/control/forge", {"out_trade_no": number})

    assert (status, problem["title"]) == (409, "Nowhere to send")
