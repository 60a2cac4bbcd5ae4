"""Answers that must not be believed: each client declines them, in its own words.

What a client raises is its own affair, and is written down here because a merchant must catch it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from conformance.tests.client import Client, Declined
from conformance.tests.installed import NPM, OFFICIAL, OTHER
from tests.outside import Process

pytestmark = pytest.mark.slow

QUERY = "alipay.trade.query"
REFUND = "alipay.trade.refund"

#: By fault and client: what is raised.
RAISED = {
    "wrong_signature": {
        NPM: "AlipayRequestError",
        OFFICIAL: "ResponseException",
        OTHER: "AliPayValidationError",
    },
    "unsigned": {NPM: "TypeError", OFFICIAL: "ResponseException", OTHER: "AliPayException"},
    "error_response": {NPM: "TypeError", OFFICIAL: "ResponseException", OTHER: "AliPayException"},
    "html": {
        NPM: "AlipayRequestError",
        OFFICIAL: "ResponseException",
        OTHER: "JSONDecodeError",
    },
    # The official one for Python fails while it makes the words of its own error.
    "http_500": {NPM: "AlipayRequestError", OFFICIAL: "TypeError", OTHER: "HTTPError"},
    "reset": {
        NPM: "AlipayRequestError",
        OFFICIAL: "ConnectionResetError",
        OTHER: "ConnectionResetError",
    },
    "timeout": {
        NPM: "AlipayRequestError",
        OFFICIAL: "RemoteDisconnected",
        OTHER: "RemoteDisconnected",
    },
}

#: The one of npm repeats a call of itself, once, when the connection broke.
REPEATED = {(NPM, "reset"), (NPM, "timeout")}


@pytest.fixture
def paid(client: Client, sandbox: Process, number: str) -> str:
    tea = {"out_trade_no": number, "total_amount": "10.00", "subject": "茶 tea"}
    client.call("alipay.trade.precreate", tea)
    sandbox.control("POST", f"/trades/{number}/pay")
    return number


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", list(RAISED))
def test_doubtful_answer_is_declined(
    client: Client, sandbox: Process, paid: str, kind: str, when: str
) -> None:
    biz = {"out_trade_no": paid, "refund_amount": "10.00", "out_request_no": "r1"}
    times = 2 if (client.name, kind) in REPEATED else 1
    fault = {"kind": kind, "when": when, "method": REFUND, "seconds": 0.1, "times": times}
    sandbox.control("PUT", "/faults", fault)

    with pytest.raises(Declined) as declined:
        client.call(REFUND, biz)

    assert declined.value.error == RAISED[kind][client.name]
    assert sandbox.control("GET", "/faults")["items"][0]["used"] == times
    # The same call again, with the same number: whatever became of the first, once is enough.
    assert client.call(REFUND, biz)["refund_fee"] == "10.00"
    assert sandbox.control("GET", f"/trades/{paid}")["refund_fee"] == "10.00"


def test_refusal_of_business_is_an_answer(client: Client, sandbox: Process, paid: str) -> None:
    fault = {"kind": "system_error", "code": "20000", "method": REFUND, "times": 1}
    sandbox.control("PUT", "/faults", fault)

    node = client.call(REFUND, {"out_trade_no": paid, "refund_amount": "10.00"})

    assert (node["code"], node["sub_code"]) == ("20000", "ACQ.SYSTEM_ERROR")


def test_unknown_app_gets_an_unsigned_answer(client: Client) -> None:
    unknown = replace(client, account=replace(client.account, app_id="2021000000000000"))

    with pytest.raises(Declined) as declined:
        unknown.call(QUERY, {"out_trade_no": "x"})

    assert declined.value.error == RAISED["unsigned"][client.name]


def test_unknown_method_gets_an_error_response(client: Client) -> None:
    with pytest.raises(Declined) as declined:
        client.call("alipay.data.bill.downloadurl.get", {"bill_type": "trade"})

    assert declined.value.error == RAISED["error_response"][client.name]


def test_gateways_errors_can_be_unsigned(
    client: Client, sandbox: Process, strangers_key: str
) -> None:
    sandbox.control("PATCH", "/settings", {"sign_gateway_errors": False})
    stranger = replace(client, account=replace(client.account, private_key=strangers_key))

    with pytest.raises(Declined) as declined:
        stranger.call(QUERY, {"out_trade_no": "x"})

    assert declined.value.error == RAISED["unsigned"][client.name]


def test_app_key_in_the_place_of_alipays(client: Client, sandbox: Process) -> None:
    app_public_key = (Path(sandbox.ready["keys"]) / "app_public_key.pem").read_text()
    wrong = replace(client, account=replace(client.account, alipay_public_key=app_public_key))

    with pytest.raises(Declined) as declined:
        wrong.call(QUERY, {"out_trade_no": "x"})

    assert declined.value.error == RAISED["wrong_signature"][client.name]


def test_lone_brace_in_a_genuine_answer(client: Client, sandbox: Process, number: str) -> None:
    tea = {"out_trade_no": number, "total_amount": "10.00", "subject": "茶", "store_id": "}"}
    client.call("alipay.trade.precreate", tea)
    sandbox.control("POST", f"/trades/{number}/pay")

    if client.name == OTHER:  # it counts braces without looking whether they are inside a text
        with pytest.raises(Declined, match="AliPayValidationError"):
            client.call(QUERY, {"out_trade_no": number})
    else:
        assert client.call(QUERY, {"out_trade_no": number})["store_id"] == "}"
