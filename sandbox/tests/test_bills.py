"""The day's bill."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any
from urllib.request import urlopen

import pytest

from tests.outside import Merchant

DAY = 86400


def ask(merchant: Merchant, bill_date: str, bill_type: str = "trade") -> Any:
    return merchant.call(
        "alipay.data.dataservice.bill.downloadurl.query",
        {"bill_type": bill_type, "bill_date": bill_date},
    )


def today(merchant: Merchant) -> str:
    day: str = merchant.process.control("GET", "/clock")["now"][:10]
    return day


def download(url: str) -> dict[str, str]:
    """The files of a bill by name; their lines end as Alipay's do."""
    with urlopen(url) as answer:
        packed = zipfile.ZipFile(io.BytesIO(answer.read()))
    assert all(not member.flag_bits & 0x800 for member in packed.infolist())
    return {
        name.encode("cp437").decode("gbk"): packed.read(name).decode("gbk")
        for name in packed.namelist()
    }


def rows(text: str) -> list[list[str]]:
    """The table's rows without its head and the comments, tabs stripped."""
    table = [line for line in text.split("\r\n") if line and not line.startswith("#")]
    return [[cell.strip() for cell in row] for row in csv.reader(table[1:])]


@pytest.fixture
def day(merchant: Merchant, number: str) -> str:
    """A day with two payments and two refunds, seen the day after at noon."""
    merchant.process.control("POST", "/clock", {"mode": "frozen"})
    merchant.process.control("POST", "/clock", {"to": "2040-02-28 23:59:58"})
    merchant.paid(number, "20.00", body="备注", store_id="S1")
    merchant.process.control("POST", "/clock", {"advance": 1})
    merchant.refund(number, "5.00", "r1")
    merchant.paid(f"{number}b", "10.01", subject='茶, "好"')
    merchant.refund(f"{number}b", "10.01", "r2")
    merchant.process.control("POST", "/clock", {"advance": 1})
    merchant.paid(f"{number}c", "7.00")
    merchant.process.control("POST", "/clock", {"advance": DAY / 2})
    return "2040-02-28"


def test_trade_bill_lists_payments_and_refunds(merchant: Merchant, number: str, day: str) -> None:
    files = download(ask(merchant, day)["bill_download_url"])

    assert sorted(files) == [
        "20880000000000010156_20400228_业务明细(汇总).csv",
        "20880000000000010156_20400228_业务明细.csv",
    ]
    detail = files["20880000000000010156_20400228_业务明细.csv"]
    lines = detail.split("\r\n")
    assert lines[:3] == [
        "#支付宝业务明细查询",
        "#账号：[20880000000000010156]",
        "#起始日期：[2040年02月28日 00:00:00]   终止日期：[2040年02月29日 00:00:00]",
    ]
    assert lines[-4:-2] == [
        "#交易合计：2笔，商家实收共30.01元，商家优惠共0.00元",
        "#退款合计：2笔，商家实收退款共-15.01元，商家优惠退款共0.00元",
    ]
    found = rows(detail)
    assert {len(row) for row in found} == {25}
    assert [(row[1], row[2], row[5], row[11], row[21], row[22]) for row in found] == [
        (number, "交易", "2040-02-28 23:59:58", "20.00", "", "-0.12"),
        (f"{number}b", "交易", "2040-02-28 23:59:59", "10.01", "", "-0.06"),
        (number, "退款", "2040-02-28 23:59:59", "-5.00", "r1", "0.03"),
        (f"{number}b", "退款", "2040-02-28 23:59:59", "-10.01", "r2", "0.06"),
    ]
    assert (found[1][3], found[0][6], found[0][24]) == ('茶, "好"', "S1", "备注")
    assert f"{number}\t," in detail


def test_trade_summary_adds_up(merchant: Merchant, day: str) -> None:
    files = download(ask(merchant, day)["bill_download_url"])

    summary = rows(files["20880000000000010156_20400228_业务明细(汇总).csv"])

    assert summary == [
        ["S1", "", "1", "1", "15.00", "15.00", "0.00", "0.00", "0.00", "-0.09", "0.00", "14.91"],
        ["", "", "1", "1", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00"],
        ["合计", "", "2", "2", "15.00", "15.00", "0.00", "0.00", "0.00", "-0.09", "0.00", "14.91"],
    ]


def test_account_bill_lists_every_movement(merchant: Merchant, day: str) -> None:
    files = download(ask(merchant, day, "signcustomer")["bill_download_url"])

    detail = rows(files["20880000000000010156_20400228_账务明细.csv"])

    assert [(row[6], row[7], row[8], row[10]) for row in detail] == [
        ("20.00", "0.00", "20.00", "交易"),
        ("0.00", "-0.12", "19.88", "收费"),
        ("0.03", "0.00", "19.91", "退费"),
        ("0.00", "-5.00", "14.91", "交易退款"),
        ("10.01", "0.00", "24.92", "交易"),
        ("0.00", "-0.06", "24.86", "收费"),
        ("0.06", "0.00", "24.92", "退费"),
        ("0.00", "-10.01", "14.91", "交易退款"),
    ]
    summary = rows(files["20880000000000010156_20400228_账务明细(汇总).csv"])
    assert summary[-1] == ["合计", "4", "30.10", "4", "-15.19", "14.91"]


def test_link_works_once_and_for_thirty_seconds(merchant: Merchant, day: str) -> None:
    once, late = (ask(merchant, day)["bill_download_url"] for _ in range(2))
    download(once)
    merchant.process.control("POST", "/clock", {"advance": 31})

    for url in (once, late, once.replace("token=", "token=x")):
        with urlopen(url) as answer:
            assert "下载超时" in answer.read().decode()


def test_bill_is_ready_the_next_morning(merchant: Merchant, number: str) -> None:
    merchant.process.control("POST", "/clock", {"mode": "frozen"})
    merchant.process.control("POST", "/clock", {"to": "2040-02-28 12:00:00"})
    merchant.paid(number)
    answers = []

    for instant in ("2040-02-28 23:59:59", "2040-02-29 08:59:59", "2040-02-29 09:00:00"):
        merchant.process.control("POST", "/clock", {"to": instant})
        answers.append(ask(merchant, "2040-02-28").get("sub_code"))

    assert answers == ["isp.BILL_NOT_EXIST", "isp.BILL_NOT_EXIST", None]
    assert ask(merchant, "2040-02-27")["sub_code"] == "isp.BILL_NOT_EXIST"


def test_months_bill_is_ready_on_the_third(merchant: Merchant, day: str) -> None:
    assert ask(merchant, "2040-02")["sub_code"] == "isp.BILL_NOT_EXIST"

    merchant.process.control("POST", "/clock", {"to": "2040-03-03 09:00:00"})

    files = download(ask(merchant, "2040-02")["bill_download_url"])
    assert len(rows(files["20880000000000010156_204002_业务明细.csv"])) == 5


@pytest.mark.parametrize(
    ("bill_type", "bill_date", "sub_code"),
    [
        ("trade", "2040-2-28", "INVAILID_ARGUMENTS"),
        ("trade", "20400228", "INVAILID_ARGUMENTS"),
        ("trade", "2040-02-30", "INVAILID_ARGUMENTS"),
        ("trade", "", "INVAILID_ARGUMENTS"),
        ("nonsense", "2040-02-28", "INVAILID_ARGUMENTS"),
        ("zft_acc", "2040-02-28", "TYPE_NOT_SUPPORTED"),
        ("trade", "2015-12-31", "BILL_DATE_BEFORE_REGISTRATION"),
    ],
)
def test_bill_refuses(
    merchant: Merchant, day: str, bill_type: str, bill_date: str, sub_code: str
) -> None:
    merchant.process.control("PATCH", "/settings", {"bill_error_prefix": ""})

    assert ask(merchant, bill_date, bill_type)["sub_code"] == sub_code


def test_settings_of_bills(merchant: Merchant, day: str) -> None:
    merchant.process.control("PATCH", "/settings", {"bill_newline": "lf"})
    files = download(ask(merchant, day)["bill_download_url"])
    assert not any("\r" in text for text in files.values())

    merchant.process.control("PATCH", "/settings", {"bills": False})

    assert ask(merchant, day)["sub_code"] == "isp.BILL_NOT_EXIST"
