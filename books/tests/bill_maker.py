"""Alipay's bills as they are in the world: to the column, the tab and the name."""

import csv
import io
import zipfile
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from core.tests import environment

DAY = date(2026, 11, 21)
ACCOUNT = f"{environment.SELLER_ID}0156"
HEADER = (
    "支付宝交易号",
    "商户订单号",
    "业务类型",
    "商品名称",
    "创建时间",
    "完成时间",
    "门店编号",
    "门店名称",
    "操作员",
    "终端号",
    "对方账户",
    "订单金额（元）",
    "商家实收（元）",
    "支付宝红包（元）",
    "集分宝（元）",
    "支付宝优惠（元）",
    "商家优惠（元）",
    "券核销金额（元）",
    "券名称",
    "商家红包消费金额（元）",
    "卡消费金额（元）",
    "退款批次号/请求号",
    "服务费（元）",
    "分润（元）",
    "备注",
)


def paid(out_trade_no: str, amount: str, **changes: str) -> dict[str, str]:
    """Return a row of a payment, as text; changes are by the columns' names."""
    cells = dict.fromkeys(HEADER, "0.00") | {
        "支付宝交易号": f"20261121220014{out_trade_no[-8:]}\t",
        "商户订单号": f"{out_trade_no}\t",
        "业务类型": "交易\t",
        "商品名称": "龙井 tea x1",
        "创建时间": f"{DAY} 10:00:00",
        "完成时间": f"{DAY} 10:00:20",
        **dict.fromkeys(["门店编号", "门店名称", "操作员", "终端号"], "\t"),
        "对方账户": "*小丽(ali***@example.com)\t",
        "订单金额（元）": amount,
        "商家实收（元）": amount,
        "券名称": "",
        "退款批次号/请求号": "\t",
        "服务费（元）": f"{-Decimal(amount) * Decimal('0.006'):.2f}",
        "备注": "",
    }
    return cells | changes


def of(payment: Any, amount: str = "9.90", **changes: str) -> dict[str, str]:
    """Return the row of one of the shop's payments."""
    return paid(payment.out_trade_no, amount, 支付宝交易号=payment.trade_no, **changes)


def refunded(out_trade_no: str, out_request_no: str, amount: str, **changes: str) -> dict[str, str]:
    """Return a row of a refund: its amounts are negative."""
    cells = {
        "业务类型": "退款\t",
        "订单金额（元）": f"-{amount}",
        "商家实收（元）": f"-{amount}",
        "退款批次号/请求号": f"{out_request_no}\t",
        "服务费（元）": f"{Decimal(amount) * Decimal('0.006'):.2f}",
    }
    return paid(out_trade_no, amount) | cells | changes


def table(
    rows: Iterable[dict[str, str]] = (),
    *,
    day: date = DAY,
    newline: str = "\r\n",
    header: Iterable[str] = HEADER,
    **changes: str,
) -> str:
    """Return the text of the details; ``changes`` replace a line of the footer."""
    rows, header = list(rows), list(header)
    text = io.StringIO(newline="")
    write = csv.writer(text, lineterminator=newline).writerow

    def comment(words: str) -> None:
        text.write(f"#{words}{newline}" if words else "")

    comment("支付宝业务明细查询")
    comment(changes.get("account", f"账号：[{ACCOUNT}]"))
    comment(f"起始日期：[{day:%Y年%m月%d日} 00:00:00]   终止日期：[{day:%Y年%m月%d日} 24:00:00]")
    comment(f"{'-' * 41}业务明细列表{'-' * 40}")
    write(header)
    for row in rows:
        write([row[name] for name in header])
    comment(f"{'-' * 41}业务明细列表结束{'-' * 40}")
    back = [row for row in rows if row["业务类型"].startswith("退款")]
    front = [row for row in rows if row not in back]
    for name, words, these in (
        ("payments", "交易合计：{}笔，商家实收共{}元，商家优惠共0.00元", front),
        ("refunds", "退款合计：{}笔，商家实收退款共{}元，商家优惠退款共0.00元", back),
    ):
        amount = sum((Decimal(row["商家实收（元）"]) for row in these), Decimal("0.00"))
        comment(changes.get(name, words.format(len(these), amount)))
    comment(f"导出时间：[{day:%Y年%m月%d日} 09:00:00]")
    return text.getvalue()


class GbkName(zipfile.ZipInfo):
    """A member whose name is written in GBK, without the flag that would say UTF-8."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802  the name is zipfile's
        return self.filename.encode("gbk"), self.flag_bits & ~0x800


SUMMARY = "#支付宝业务汇总查询\r\n合计,,2,0,19.80\r\n"


def packed(details: str | bytes, *, encoding: str = "gbk", summary_first: bool = False) -> bytes:
    """Return the zip of a bill."""
    files: list[tuple[str, Any]] = [
        ("业务明细.csv", details if isinstance(details, bytes) else details.encode(encoding)),
        ("业务明细(汇总).csv", SUMMARY.encode("gbk")),
    ]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in reversed(files) if summary_first else files:
            member = GbkName(f"{ACCOUNT}_20261121_{name}")
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    return file.getvalue()


def bill(rows: Iterable[dict[str, str]] = (), **options: Any) -> bytes:
    """Return the zip of a bill with these rows."""
    return packed(table(rows, **options))
