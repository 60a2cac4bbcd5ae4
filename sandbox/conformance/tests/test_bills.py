"""The bill: its address through each client, and what is behind it."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import pytest

from conformance.tests.client import Client
from conformance.tests.shapes import DONE, Like
from tests.outside import Process, browser

pytestmark = pytest.mark.slow

DAY = 86400


def day_of_trade(client: Client, sandbox: Process, number: str) -> str:
    """A day with a payment and a refund, seen the day after at noon."""
    sandbox.control("POST", "/clock", {"mode": "frozen"})
    sandbox.control("POST", "/clock", {"to": "2040-02-28 12:00:00"})
    tea = {"out_trade_no": number, "total_amount": "10.00", "subject": '茶, "好"'}
    client.call("alipay.trade.precreate", tea)
    sandbox.control("POST", f"/trades/{number}/pay")
    refund = {"out_trade_no": number, "refund_amount": "4.00", "out_request_no": "r1"}
    client.call("alipay.trade.refund", refund)
    sandbox.control("POST", "/clock", {"advance": DAY})
    return "2040-02-28"


def ask(client: Client, **biz: str) -> dict[str, Any]:
    return client.call("alipay.data.dataservice.bill.downloadurl.query", biz)


def download(address: str) -> dict[str, str]:
    """The members of the zip by name."""
    with browser().open(address, timeout=30) as answer:
        packed = zipfile.ZipFile(io.BytesIO(answer.read()))
    return {
        name.encode("cp437").decode("gbk"): packed.read(name).decode("gb18030")
        for name in packed.namelist()
    }


def rows(text: str) -> list[dict[str, str]]:
    """The table between the comments, as a merchant reads it."""
    table = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return [{name: cell.strip() for name, cell in row.items()} for row in table]


@pytest.mark.parametrize("span", ["2040-02-28", "2040-02"])
def test_bill_of_trades(client: Client, sandbox: Process, number: str, span: str) -> None:
    day_of_trade(client, sandbox, number)
    sandbox.control("POST", "/clock", {"advance": 5 * DAY})

    node = ask(client, bill_type="trade", bill_date=span)

    assert node == {**DONE, "bill_download_url": Like(r"http://127\.0\.0\.1:\d+/bills/.+")}
    files = download(node["bill_download_url"])
    account = f"{sandbox.ready['seller_id']}0156_{span.replace('-', '')}"
    assert sorted(files) == [f"{account}_业务明细(汇总).csv", f"{account}_业务明细.csv"]
    lines = rows(files[f"{account}_业务明细.csv"])
    columns = ("商户订单号", "业务类型", "商品名称", "商家实收（元）", "退款批次号/请求号")
    assert [[line[column] for column in columns] for line in lines] == [
        [number, "交易", '茶, "好"', "10.00", ""],
        [number, "退款", '茶, "好"', "-4.00", "r1"],
    ]
    assert {len(line) for line in lines} == {25}
    total = rows(files[f"{account}_业务明细(汇总).csv"])[-1]
    assert (total["门店编号"], total["商家实收（元）"]) == ("合计", "6.00")


def test_bill_of_the_account(client: Client, sandbox: Process, number: str) -> None:
    day = day_of_trade(client, sandbox, number)

    node = ask(client, bill_type="signcustomer", bill_date=day)

    files = download(node["bill_download_url"])
    (name,) = (name for name in files if name.endswith("_账务明细.csv"))
    amounts = [(row["收入金额（+元）"], row["支出金额（-元）"]) for row in rows(files[name])]
    assert sorted(amounts) == [
        ("0.00", "-0.06"),
        ("0.00", "-4.00"),
        ("0.02", "0.00"),
        ("10.00", "0.00"),
    ]


def test_address_of_a_bill_lasts_half_a_minute(
    client: Client, sandbox: Process, number: str
) -> None:
    day = day_of_trade(client, sandbox, number)
    node = ask(client, bill_type="trade", bill_date=day)
    sandbox.control("POST", "/clock", {"advance": 31})

    with browser().open(node["bill_download_url"], timeout=30) as answer:
        page = answer.read().decode()

    assert answer.headers.get_content_type() == "text/html"
    assert "下载超时" in page
