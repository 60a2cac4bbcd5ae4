"""Who calls: their keys and apps, their charsets and clocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from conformance.tests.client import Account, Client, Declined, Program
from conformance.tests.conftest import pkcs1
from conformance.tests.installed import NPM, OFFICIAL, OTHER, command
from conformance.tests.shapes import Like, refused
from tests.outside import Process, Shop, new_key, public_pem

pytestmark = pytest.mark.slow

QUERY = "alipay.trade.query"
PRECREATE = "alipay.trade.precreate"
REFUND = "alipay.trade.refund"
TEA = {"total_amount": "10.00", "subject": "茶 tea"}


def of(*clients: str) -> pytest.MarkDecorator:
    """A test that speaks of these clients alone."""
    return pytest.mark.parametrize("program", clients, indirect=True)


def as_account(client: Client, **changes: str) -> Client:
    return replace(client, account=replace(client.account, **changes))


def test_strangers_key(client: Client, number: str, strangers_key: str) -> None:
    stranger = as_account(client, private_key=strangers_key)

    node = stranger.call(QUERY, {"out_trade_no": number})

    assert node == refused(
        "isv.invalid-signature",
        Like(rf"验签出错，.*：app_id=\d+&amp;biz_content=.*{number}.*&amp;version=1\.0"),
        "40002",
    )


@pytest.fixture
def bare(client: Client, sandbox: Process) -> Client:
    """A client whose keys are one line each, as Alipay's console shows them."""
    merchant = sandbox.control("GET", "/merchants")["items"][0]
    private = "".join(client.account.private_key.splitlines()[1:-1])
    return as_account(
        client, private_key=private, alipay_public_key=merchant["alipay_public_key_bare"]
    )


@of(NPM, OFFICIAL)
def test_bare_keys(bare: Client) -> None:
    assert bare.call(QUERY, {"out_trade_no": "x"})["sub_code"] == "ACQ.TRADE_NOT_EXIST"


@of(OTHER)
def test_bare_keys_are_not_for_all(bare: Client) -> None:
    with pytest.raises(Declined, match="RSA key format is not supported"):
        bare.call(QUERY, {"out_trade_no": "x"})


def test_second_app_has_keys_and_trades_of_its_own(
    client: Client, sandbox: Process, number: str
) -> None:
    client.call(PRECREATE, {"out_trade_no": number, **TEA})
    sandbox.control("POST", f"/trades/{number}/pay")
    key, digits = new_key(), number[1:]
    wanted = {"app_id": f"9021000000{digits}", "seller_id": f"2088000009{digits}"}
    made = sandbox.control("POST", "/merchants", {**wanted, "app_public_key": public_pem(key)})
    keys = {"private_key": pkcs1(key), "alipay_public_key": made["alipay_public_key"]}

    other = as_account(client, app_id=wanted["app_id"], **keys)

    assert other.call(QUERY, {"out_trade_no": number})["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert client.call(QUERY, {"out_trade_no": number})["trade_status"] == "TRADE_SUCCESS"
    with pytest.raises(Declined):
        as_account(other, alipay_public_key=client.account.alipay_public_key).call(
            QUERY, {"out_trade_no": number}
        )


def test_sha1_of_old_apps(client: Client, sandbox: Process, number: str) -> None:
    sandbox.control("PATCH", "/settings", {"allow_rsa": True})
    old = as_account(client, sign_type="RSA")

    node = old.call(PRECREATE, {"out_trade_no": number, **TEA})

    assert (node["code"], node["out_trade_no"]) == ("10000", number)


@of(OFFICIAL)
def test_gbk(client: Client, sandbox: Process, shop: Shop, number: str) -> None:
    """The two others speak UTF-8 only."""
    gbk = as_account(client, charset="gbk")
    gbk.call(PRECREATE, {"out_trade_no": number, **TEA}, notify_url=shop.notify_url)
    sandbox.control("POST", f"/trades/{number}/pay")

    node = gbk.call(REFUND, {"out_trade_no": number, "refund_amount": "1.00"})

    assert node["sub_msg"] == "撤销或退款金额与订单金额不一致"
    raw = shop.wait(1)[0].raw.decode("ascii")
    notice = dict(parse_qsl(raw, strict_parsing=True, encoding="gbk"))
    assert (notice["charset"].lower(), notice["subject"]) == ("gbk", "茶 tea")
    assert gbk.verifies(notice)


@of(NPM)
def test_trace_id(client: Client) -> None:
    """Only this client reads the header."""
    assert client.trace_id(QUERY, {"out_trade_no": "x"}) == Like(r"[0-9a-f]{32}")


@pytest.fixture
def in_greenwich(program: Program, sandbox: Process, account: Account) -> Iterator[Client]:
    """A client in a container that nobody told where it is."""
    usual = command(program.name)
    lost = Program(program.name, replace(usual, environ=usual.environ | {"TZ": "UTC0"}))
    yield Client(lost, account)
    lost.stop()


def test_clock_of_greenwich(in_greenwich: Client) -> None:
    node = in_greenwich.call(QUERY, {"out_trade_no": "x"})

    words = "非法的时间戳参数，与北京时间相差过大"
    assert node == refused("isv.invalid-timestamp", words, "40002")
