"""The control API: its shapes, its refusals, and who may call it."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import urlopen

import pytest

from tests.outside import Buyer, Merchant, Process, new_key, public_pem, read_public

# Generated clients call them by these names, which are not those of the modules.
OPERATIONS = {
    "list_trades": "GET /trades",
    "get_trade": "GET /trades/{out_trade_no}",
    "scan_trade": "POST /trades/{out_trade_no}/scan",
    "pay_trade": "POST /trades/{out_trade_no}/pay",
    "refund_trade": "POST /trades/{out_trade_no}/refund",
    "list_notices": "GET /notices",
    "send_notice": "POST /notices/{notify_id}/send",
    "forge": "POST /forge",
    "get_notify_policy": "GET /notify-policy",
    "put_notify_policy": "PUT /notify-policy",
    "get_faults": "GET /faults",
    "put_faults": "PUT /faults",
    "post_fault": "POST /faults",
    "delete_faults": "DELETE /faults",
    "get_clock": "GET /clock",
    "post_clock": "POST /clock",
    "list_merchants": "GET /merchants",
    "add_merchant": "POST /merchants",
    "change_merchant": "PATCH /merchants/{app_id}",
    "list_buyers": "GET /buyers",
    "get_settings": "GET /settings",
    "patch_settings": "PATCH /settings",
    "list_requests": "GET /requests",
    "about": "GET /about",
    "reset": "POST /reset",
}


def test_operations_keep_their_ids(sandbox: Process) -> None:
    paths = sandbox.control("GET", "/openapi.json")["paths"]

    assert {
        operation["operationId"]: f"{verb.upper()} {path}"
        for path, operations in paths.items()
        for verb, operation in operations.items()
    } == {
        f"sandbox_control_{name}": call.replace(" ", " /control")
        for name, call in OPERATIONS.items()
    }


def test_trade_has_the_fields_of_the_contract(merchant: Merchant, number: str) -> None:
    merchant.paid(number)
    merchant.refund(number, "4.00", "r1")

    trade = merchant.process.control("GET", f"/trades/{number}")

    assert (trade["out_trade_no"], trade["trade_status"]) == (number, "TRADE_SUCCESS")
    assert (trade["total_amount"], trade["refund_fee"]) == ("10.00", "4.00")
    (refund,) = trade["refunds"]
    assert (refund["out_request_no"], refund["refund_amount"]) == ("r1", "4.00")


def test_trades_are_listed_the_latest_first(merchant: Merchant, number: str) -> None:
    for i in range(3):
        merchant.page_pay(f"{number}_{i}")

    listed = merchant.process.control("GET", "/trades?limit=2")

    assert listed["count"] == 3
    assert [trade["out_trade_no"][-1] for trade in listed["items"]] == ["2", "1"]
    assert merchant.process.control("GET", "/trades?trade_status=TRADE_SUCCESS")["items"] == []


def test_notice_has_the_fields_of_the_contract(merchant: Merchant, number: str) -> None:
    merchant.paid(number)
    merchant.shop.wait(1)

    for _ in range(100):
        (notice,) = merchant.process.control("GET", f"/notices?out_trade_no={number}")["items"]
        if notice["attempts"]:
            break

    assert (notice["out_trade_no"], notice["trade_status"]) == (number, "TRADE_SUCCESS")
    assert notice["fields"] == merchant.shop.heard[0].fields
    (attempt,) = notice["attempts"]
    assert (attempt["status"], attempt["body"]) == (200, "success")


@pytest.mark.parametrize(
    ("verb", "path", "body", "status"),
    [
        ("GET", "/control/trades/nope", None, 404),
        ("POST", "/control/trades/nope/pay", None, 404),
        ("POST", "/control/trades/nope/scan", {"buyer": 1}, 422),
        ("POST", "/control/notices/nope/send", None, 404),
        ("POST", "/control/forge", {}, 422),
        ("POST", "/control/forge", {"out_trade_no": "x", "sign_with": "me"}, 422),
        ("PUT", "/control/notify-policy", {"drop": -1}, 422),
        ("PUT", "/control/notify-policy", {"lose": True}, 422),
        ("PATCH", "/control/settings", {"ladder": "C"}, 422),
        ("PATCH", "/control/settings", {"nonsense": 1}, 422),
        ("GET", "/control/trades?limit=0", None, 422),
        ("GET", "/control/requests?limit=501", None, 422),
        ("POST", "/control/merchants", {"app_id": "x"}, 422),
        ("PATCH", "/control/merchants/1", {}, 404),
        ("PATCH", "/control/merchants/9021000000000001", {"balance": "-1"}, 422),
    ],
)
def test_refusals_are_problems(
    sandbox: Process, verb: str, path: str, body: Any, status: int
) -> None:
    got, problem = sandbox.ask(verb, path, body)

    assert got == status
    assert (problem["status"], problem["type"]) == (status, "about:blank")
    assert problem["title"]
    assert problem["detail"]


def test_unknown_buyer_and_bad_json_are_refused(
    merchant: Merchant, number: str, buyer: Buyer
) -> None:
    merchant.page_pay(number)

    status, problem = merchant.process.ask(
        "POST", f"/control/trades/{number}/pay", {"buyer": "nobody"}
    )

    assert (status, problem["detail"]) == (422, "There is no buyer 'nobody'.")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost"}, 200),
        ({"Host": "192.168.1.5:8001"}, 200),
        ({"Host": "[::1]:8001"}, 200),
    ],
    ids=str,
)
def test_web_pages_may_not_drive_it(sandbox: Process, headers: dict[str, str], status: int) -> None:
    got, _ = sandbox.ask("POST", "/control/clock", {"advance": 0}, **headers)

    assert got == status


def test_its_own_docs_page_may_drive_it(sandbox: Process) -> None:
    assert sandbox.ask("POST", "/control/reset", Origin=sandbox.address)[0] == 200


def test_gateway_answers_to_any_name(merchant: Merchant) -> None:
    status, _ = merchant.process.ask("GET", "/gateway.do?charset=utf-8", Host="alipay.test")

    assert status == 200


def test_docs_come_from_this_machine(sandbox: Process) -> None:
    with urlopen(f"{sandbox.address}/control/docs") as answer:
        page = answer.read().decode()
    with urlopen(f"{sandbox.address}/control/openapi.json") as answer:
        document = json.load(answer)

    assert "http://" not in page
    assert "https://" not in page
    assert {"/control/trades/{out_trade_no}/pay", "/control/forge"} <= set(document["paths"])
    responses = document["paths"]["/control/trades/{out_trade_no}"]["get"]["responses"]
    assert {"200", "404", "409"} <= set(responses)


def test_requests_are_told_with_their_strings(merchant: Merchant, number: str) -> None:
    merchant.query(number)

    last = merchant.process.control("GET", "/requests?limit=1")["items"][0]

    assert last["method"] == "alipay.trade.query"
    assert (last["out_trade_no"], last["verdict"]) == (number, "40004 ACQ.TRADE_NOT_EXIST")
    assert last["string_verified"].startswith(f"app_id={merchant.app_id}&biz_content=")
    assert last["string_signed"].startswith('{"code":"40004"')


def test_about_tells_how_to_call(sandbox: Process) -> None:
    about = sandbox.control("GET", "/about")

    assert about["gateway"] == sandbox.gateway
    assert about["app_id"] == sandbox.ready["app_id"]


# -- several merchants -----------------------------------------------------------------------------


def second(merchant: Merchant) -> Merchant:
    """Another app, with a key of its own; made once for all tests."""
    key = new_key()
    app = {"app_id": "9021000000000002", "seller_id": "2088000000000009"}
    wanted = {**app, "name": "Other", "app_public_key": public_pem(key)}
    status, made = merchant.process.ask("POST", "/control/merchants", wanted)
    if status == 409:
        path = f"/merchants/{app['app_id']}"
        wanted = {"app_public_key": public_pem(key)}
        made = merchant.process.control("PATCH", path, wanted)
    alipay_key = read_public(made["alipay_public_key"])
    return Merchant(merchant.process, key, alipay_key, app["app_id"], merchant.shop)


def test_merchants_live_side_by_side(merchant: Merchant, number: str) -> None:
    other = second(merchant)
    control = merchant.process.control
    for one, amount in ((merchant, "1.00"), (other, "2.00")):
        one.page_pay(number, amount)

    status, problem = merchant.process.ask("GET", f"/control/trades/{number}")
    paid = control("POST", f"/trades/{number}/pay?app_id={other.app_id}")

    assert (status, problem["title"]) == (409, "Ambiguous")
    assert (paid["total_amount"], paid["seller_id"]) == ("2.00", "2088000000000009")
    assert other.hears(merchant.shop.wait(1)[0])
    assert not merchant.hears(merchant.shop.heard[0])
    assert merchant.query(number)["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert other.query(number)["trade_status"] == "TRADE_SUCCESS"
    foreign = merchant.call("alipay.trade.query", {"trade_no": paid["trade_no"]})
    assert foreign["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    balances = {m["app_id"]: m["balance"] for m in control("GET", "/merchants")["items"]}
    assert balances == {merchant.app_id: "0.00", other.app_id: "1.99"}
    other.hang_up()


def test_merchant_cannot_call_with_anothers_key(merchant: Merchant) -> None:
    other = second(merchant)
    other.key = merchant.key

    answer = other.query("x")

    assert answer["sub_code"] == "isv.invalid-signature"
    other.hang_up()


def test_merchant_is_added_once_and_with_a_key(merchant: Merchant) -> None:
    second(merchant)
    key = public_pem(new_key())
    ask = merchant.process.ask

    for app_id, seller_id, pem, status in (
        ("9021000000000002", "2088000000000010", key, 409),
        ("9021000000000011", "2088000000000009", key, 409),
        ("9021000000000011", "2088000000000011", "garbage", 422),
    ):
        wanted = {"app_id": app_id, "seller_id": seller_id, "app_public_key": pem}
        assert ask("POST", "/control/merchants", wanted)[0] == status
