"""What the gateway reads, and how it says no before any business is done."""

from __future__ import annotations

import http.client
import json
import socket
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.outside import (
    BEIJING,
    PAGE,
    Buyer,
    Merchant,
    beijing,
    joined,
    new_key,
    sign,
    signed_text,
)

QUERY = "alipay.trade.query"
PAY = "alipay.trade.page.pay"


@pytest.mark.parametrize("shape", ["query", "both", "charset", "body"])
def test_parameters_may_be_anywhere(merchant: Merchant, number: str, shape: str) -> None:
    biz = {"out_trade_no": number, "subject": "测试 A+B;100% ?#", "total_amount": "0.10"}

    answer = merchant.call("alipay.trade.precreate", biz, shape)

    assert (answer["code"], answer["out_trade_no"]) == ("10000", number)
    trade = merchant.process.control("GET", f"/trades/{number}")
    assert trade["subject"] == "测试 A+B;100% ?#"


def test_answer_is_signed_over_its_raw_text(merchant: Merchant, number: str) -> None:
    biz = {"out_trade_no": number, "subject": "a", "total_amount": "1"}

    merchant.call("alipay.trade.precreate", biz)

    assert '"qr_code":"http:\\/\\/127.0.0.1' in merchant.raw
    assert merchant.raw.startswith(
        '{"alipay_trade_precreate_response":{"code":"10000","msg":"Success","out_trade_no":'
    )


def test_answer_is_told_as_alipay_tells_it(merchant: Merchant) -> None:
    status, headers, _ = merchant.send(merchant.parameters(QUERY, {"out_trade_no": "x"}))

    assert status == 200
    assert headers["Content-Type"] == "text/html;charset=utf-8"
    assert headers["trace_id"]


def test_what_a_merchant_wrote_does_not_become_a_page(merchant: Merchant) -> None:
    _, headers, _ = merchant.send(merchant.parameters(QUERY, {"out_trade_no": "<form>"}))

    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_extra_parameters_are_signed_too(merchant: Merchant) -> None:
    biz = {"out_trade_no": "x"}

    answer = merchant.call(QUERY, biz, "both", alipay_sdk="sdk-1.0", ws_service_url="y")

    assert answer["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_empty_parameters_may_be_signed_or_not(merchant: Merchant) -> None:
    dropped = merchant.parameters(QUERY, {"out_trade_no": "x"}, app_auth_token="")
    kept = {name: text for name, text in dropped.items() if name != "sign"}
    kept["sign"] = sign_with_empties(kept, merchant)

    for parameters in (dropped, kept):
        _, _, body = merchant.send(parameters)
        assert merchant.verified(QUERY, body.decode())["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def sign_with_empties(parameters: dict[str, str], merchant: Merchant) -> str:
    return signed_text(joined(parameters), merchant.key)


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("no method", {"method": None}, "40001", "isv.missing-method"),
    ("unknown method", {"method": "alipay.trade.nonsense"}, "40002", "isv.invalid-method"),
    ("no app", {"app_id": None}, "40001", "isv.missing-app-id"),
    ("unknown app", {"app_id": "2021000000000009"}, "40002", "isv.invalid-app-id"),
    ("no signature", {"sign": None}, "40001", "isv.missing-signature"),
    ("no sign_type", {"sign_type": None}, "40001", "isv.missing-signature-type"),
    ("old sign_type", {"sign_type": "RSA"}, "40002", "isv.invalid-signature-type"),
    ("no timestamp", {"timestamp": None}, "40001", "isv.missing-timestamp"),
    ("bad timestamp", {"timestamp": "2019-1-1 1:1:11"}, "40002", "isv.invalid-timestamp"),
    ("no version", {"version": None}, "40001", "isv.missing-version"),
    ("bad version", {"version": "2.0"}, "40002", "isv.invalid-parameter"),
    ("bad charset", {"charset": "klingon"}, "40002", "isv.invalid-charset"),
    ("no charset", {"charset": None}, "40002", "isv.invalid-charset"),
    ("bad format", {"format": "XML"}, "40002", "isv.invalid-format"),
    ("bad notify_url", {"notify_url": "ftp://x/"}, "40002", "isv.invalid-parameter"),
    ("bad signature", {"sign": "YQ=="}, "40002", "isv.invalid-signature"),
    ("no product", {"method": "alipay.trade.pay"}, "40006", "isv.insufficient-isv-permissions"),
]


@pytest.mark.parametrize(("why", "public", "code", "sub_code"), REFUSED, ids=lambda x: str(x)[:20])
def test_gateway_refuses(
    merchant: Merchant, why: str, public: dict[str, Any], code: str, sub_code: str
) -> None:
    parameters = merchant.parameters(QUERY, {"out_trade_no": "x"}, **public)
    status, headers, body = merchant.send(parameters)

    encoding = headers["Content-Type"].rpartition("=")[2]
    answer = json.loads(body.decode(encoding))
    (name, node), *rest = answer.items()
    assert status == 200
    assert (node["code"], node["sub_code"]) == (code, sub_code)
    if "method" in public and sub_code != "isv.insufficient-isv-permissions":
        assert (name, rest) == ("error_response", [])
    elif "app_id" in public:
        assert (name, rest) == ("alipay_trade_query_response", [])
    else:
        assert [key for key, _ in rest] == ["sign"]
        merchant.verified(public.get("method", QUERY), body.decode(encoding), encoding)


@pytest.mark.parametrize(
    ("hours", "is_fine"), [(0, True), (0.4, True), (-0.4, True), (8, False), (-8, False)]
)
def test_timestamp_must_be_beijing_time(merchant: Merchant, hours: float, is_fine: bool) -> None:
    told = beijing(datetime.now(BEIJING) + timedelta(hours=hours))

    answer = merchant.call(QUERY, {"out_trade_no": "x"}, timestamp=told)

    assert answer["sub_code"] == ("ACQ.TRADE_NOT_EXIST" if is_fine else "isv.invalid-timestamp")


def test_timestamp_is_compared_with_real_time_whatever_the_clock_says(merchant: Merchant) -> None:
    merchant.process.control("POST", "/clock", {"advance": 10 * 86400})

    answer = merchant.query("x")

    assert answer["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_wrong_key_is_told_the_string_that_was_verified(merchant: Merchant) -> None:
    merchant.key = new_key()
    parameters = merchant.parameters(QUERY, {"out_trade_no": "a<b"})

    _, _, body = merchant.send(parameters)

    node = merchant.verified(QUERY, body.decode())
    assert node["sub_code"] == "isv.invalid-signature"
    assert "biz_content={&quot;out_trade_no&quot;: &quot;a&lt;b&quot;}" in node["sub_msg"]


def test_signature_over_another_text_is_refused(merchant: Merchant) -> None:
    parameters = merchant.parameters(QUERY, {"out_trade_no": "x"})
    parameters["biz_content"] = '{"out_trade_no":  "x"}'

    _, _, body = merchant.send(parameters)

    assert merchant.verified(QUERY, body.decode())["sub_code"] == "isv.invalid-signature"


def test_parameter_that_disagrees_with_itself_is_refused(merchant: Merchant) -> None:
    parameters = merchant.parameters(QUERY, {"out_trade_no": "x"})
    connection = http.client.HTTPConnection(urlsplit(merchant.process.address).netloc)
    target = "/gateway.do?" + urlencode({**parameters, "version": "9"})

    connection.request("POST", target, urlencode(parameters))

    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert answer["error_response"]["sub_code"] == "isv.invalid-parameter"


@pytest.mark.parametrize("biz", ["", "[]", "{", "null", '"x"', "[" * 100_000])
def test_biz_content_must_be_an_object(merchant: Merchant, biz: str) -> None:
    answer = merchant.call(QUERY, biz, "both")

    expected = "isv.invalid-parameter" if biz else "ACQ.INVALID_PARAMETER"
    assert answer["sub_code"] == expected


def test_gbk_request_is_answered_in_gbk(merchant: Merchant, number: str) -> None:
    biz = {"out_trade_no": number, "subject": "茶叶", "total_amount": "1"}
    parameters = merchant.parameters("alipay.trade.precreate", biz, charset="GBK", sign=None)
    parameters["sign"] = sign(parameters, merchant.key, encoding="gbk")

    _, headers, body = merchant.send(parameters, encoding="gbk")

    assert headers["Content-Type"] == "text/html;charset=GBK"
    assert json.loads(body.decode("gbk"))["alipay_trade_precreate_response"]["code"] == "10000"
    assert merchant.process.control("GET", f"/trades/{number}")["subject"] == "茶叶"


def test_chinese_without_a_charset_in_the_address_is_read_as_gbk(
    merchant: Merchant, number: str
) -> None:
    biz = {"out_trade_no": number, "subject": "茶叶", "total_amount": "1"}
    parameters = merchant.parameters("alipay.trade.precreate", biz)
    connection = http.client.HTTPConnection(urlsplit(merchant.process.address).netloc)

    connection.request(
        "POST",
        "/gateway.do",
        urlencode(parameters),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )

    body = connection.getresponse().read().decode()
    connection.close()
    node = json.loads(body)["alipay_trade_precreate_response"]
    assert node["sub_code"] == "isv.invalid-signature"
    assert "charset参数" in node["sub_msg"]


def test_request_line_may_be_very_long(merchant: Merchant, number: str) -> None:
    biz = {"out_trade_no": number, "body": "x", "goods_detail": [{"goods_name": "茶" * 60_000}]}

    answer = merchant.call("alipay.trade.query", biz)

    assert answer["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_absolute_target_is_understood(merchant: Merchant) -> None:
    query = urlencode(merchant.parameters(QUERY, {"out_trade_no": "x"}))
    connection = http.client.HTTPConnection(urlsplit(merchant.process.address).netloc)

    connection.request("GET", f"{merchant.process.gateway}?{query}")

    body = connection.getresponse().read().decode()
    connection.close()
    assert merchant.verified(QUERY, body)["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_connection_is_kept(merchant: Merchant) -> None:
    merchant.query("x")
    assert merchant.connection
    socket_before: socket.socket | None = merchant.connection.sock

    merchant.query("y")

    assert socket_before is not None
    assert merchant.connection.sock is socket_before


@pytest.mark.parametrize("verb", ["PUT", "DELETE", "PATCH"])
def test_other_verbs_are_refused(merchant: Merchant, verb: str) -> None:
    assert merchant.process.ask(verb, "/gateway.do")[0] == 405


# -- a browser's calls -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["query", "both", "charset"])
def test_browser_is_sent_to_the_cashier(merchant: Merchant, number: str, shape: str) -> None:
    biz = {"out_trade_no": number, "total_amount": "1.00", "subject": "茶", **PAGE}

    status, headers, _ = merchant.send(merchant.parameters(PAY, biz), shape=shape)

    assert status == 302
    assert headers["Location"].startswith("/cashier/")


def test_browser_is_shown_the_error_and_the_string(merchant: Merchant, buyer: Buyer) -> None:
    merchant.key = new_key()

    status, page = merchant.page_pay("x")

    assert status == 200
    assert "invalid-signature" in page
    assert "isv.invalid-signature" not in page
    assert "biz_content={&quot;out_trade_no&quot;: &quot;x&quot;" in page
    assert "调试错误" in page


@pytest.mark.parametrize(
    ("public", "code"),
    [
        ({"app_id": "1"}, "invalid-app-id"),
        ({"timestamp": None}, "missing-timestamp"),
        ({"timestamp": "2020-01-01 00:00:00"}, "invalid-timestamp"),
        ({"return_url": "javascript:alert(1)"}, "invalid-parameter"),
    ],
)
def test_browser_is_shown_the_code_without_its_prefix(
    merchant: Merchant, public: dict[str, Any], code: str
) -> None:
    status, headers, body = merchant.send(merchant.parameters(PAY, {"out_trade_no": "x"}, **public))

    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f"<code>{code}</code>" in body.decode()
