"""What is in a bill: a zip of two CSV files, all of it GBK."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from ..behaviour import rules
from ..clock import BEIJING, clock, stamp
from ..models import Merchant, Trade
from ..money import yuan
from .period import Period, entries, payments, refunds

DETAIL_COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
    "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,"
    "商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
SUMMARY_COLUMNS = (
    "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,"
    "商家优惠（元）,卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）"
)
ACCOUNT_COLUMNS = (
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,"
    "账户余额（元）,交易渠道,业务类型,备注"
)
ACCOUNT_SUMMARY_COLUMNS = "类型,收入笔数,收入金额（+元）,支出笔数,支出金额（-元）,总金额（元）"


def account_number(merchant: Merchant) -> str:
    return f"{merchant.seller_id}0156"


def bill(merchant: Merchant, bill_type: str, span: Period) -> bytes:
    """The zip."""
    account = f"{account_number(merchant)}_{span.name}"
    if bill_type == "trade":
        files = {
            f"{account}_业务明细.csv": detail(merchant, span),
            f"{account}_业务明细(汇总).csv": summary(merchant, span),
        }
    else:
        files = {
            f"{account}_账务明细.csv": account_detail(merchant, span),
            f"{account}_账务明细(汇总).csv": account_summary(merchant, span),
        }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            member = GbkName(name, clock.now().timetuple()[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, text.encode("gbk", "replace"))
    return packed.getvalue()


class GbkName(zipfile.ZipInfo):
    """A member whose name is written in GBK, without the flag that would say UTF-8."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 the name is zipfile's
        return self.filename.encode("gbk"), self.flag_bits & ~0x800


class Sheet:
    """A CSV text with comments around its table."""

    def __init__(self, title: str, merchant: Merchant, span: Period) -> None:
        self._newline = "\r\n" if rules.behaviour.bill_newline == "crlf" else "\n"
        self._text = io.StringIO(newline="")
        self._csv = csv.writer(self._text, lineterminator=self._newline)
        self.comment(f"支付宝{title}查询")
        self.comment(f"账号：[{account_number(merchant)}]")
        self.comment(f"起始日期：[{_day(span.start)}]   终止日期：[{_day(span.end)}]")

    def comment(self, text: str) -> None:
        self._text.write(f"#{text}{self._newline}")

    def ruler(self, text: str) -> None:
        self.comment(f"{'-' * 41}{text}{'-' * 40}")

    def head(self, columns: str) -> None:
        self._text.write(columns + self._newline)

    def row(self, cells: Iterable[object]) -> None:
        self._csv.writerow(cells)

    def done(self) -> str:
        self.comment(f"导出时间：[{_day(clock.now())}]")
        return self._text.getvalue()


def _day(instant: datetime) -> str:
    return instant.astimezone(BEIJING).strftime("%Y年%m月%d日 %H:%M:%S")


def _tab(text: object) -> str:
    """Text cells end with a tab, so that a spreadsheet does not read them as numbers."""
    return f"{text}\t"


def detail(merchant: Merchant, span: Period) -> str:
    """Every payment and refund, in the order of completion."""
    sheet = Sheet("业务明细", merchant, span)
    sheet.ruler("业务明细列表")
    sheet.head(DETAIL_COLUMNS)
    for line in _lines(merchant, span):
        sheet.row(line.cells)
    sheet.ruler("业务明细列表结束")
    paid, back = payments(merchant, span), refunds(merchant, span)
    income = paid.aggregate(sum=Sum("total"))["sum"] or 0
    outgo = back.aggregate(sum=Sum("amount"))["sum"] or 0
    sheet.comment(f"交易合计：{paid.count()}笔，商家实收共{yuan(income)}元，商家优惠共0.00元")
    sheet.comment(
        f"退款合计：{back.count()}笔，商家实收退款共{yuan(-outgo)}元，商家优惠退款共0.00元"
    )
    return sheet.done()


@dataclass(frozen=True)
class Line:
    at: datetime
    trade: Trade
    amount: int
    fee: int
    out_request_no: str = ""
    operator_id: str = ""
    remark: str = ""

    @property
    def cells(self) -> list[str]:
        trade = self.trade
        none = "0.00"
        return [
            _tab(trade.trade_no),
            _tab(trade.out_trade_no),
            _tab("交易" if self.amount > 0 else "退款"),
            trade.subject,
            stamp(trade.created_at),
            stamp(self.at),
            _tab(trade.extras.get("store_id", "")),
            _tab(""),
            _tab(self.operator_id),
            _tab(trade.extras.get("terminal_id", "")),
            _tab(trade.buyer.masked if trade.buyer else ""),
            yuan(self.amount),
            yuan(self.amount),
            *[none] * 5,
            "",
            none,
            none,
            _tab(self.out_request_no),
            yuan(self.fee),
            none,
            self.remark,
        ]


def _lines(merchant: Merchant, span: Period) -> Iterator[Line]:
    paid = [
        Line(trade.paid_at, trade, trade.total, -trade.fee, remark=trade.extras.get("body", ""))
        for trade in payments(merchant, span).select_related("buyer")
        if trade.paid_at is not None
    ]
    back = [
        Line(
            refund.at,
            refund.trade,
            -refund.amount,
            refund.fee_returned,
            refund.out_request_no,
            refund.operator_id,
            refund.reason,
        )
        for refund in refunds(merchant, span).select_related("trade__buyer")
    ]
    yield from sorted(paid + back, key=lambda line: line.at)


def summary(merchant: Merchant, span: Period) -> str:
    """The day in one line for each shop of the merchant, and one for all."""
    sheet = Sheet("业务汇总", merchant, span)
    sheet.ruler("业务汇总列表")
    sheet.head(SUMMARY_COLUMNS)
    stores: dict[str, list[Line]] = {}
    for line in _lines(merchant, span):
        stores.setdefault(line.trade.extras.get("store_id", ""), []).append(line)
    for store, lines in stores.items():
        sheet.row([_tab(store), _tab(""), *_sums(lines)])
    sheet.row(["合计", "", *_sums([line for lines in stores.values() for line in lines])])
    sheet.ruler("业务汇总列表结束")
    return sheet.done()


def _sums(lines: list[Line]) -> list[object]:
    amount, fee = sum(line.amount for line in lines), sum(line.fee for line in lines)
    paid = sum(1 for line in lines if line.amount > 0)
    return [
        paid,
        len(lines) - paid,
        yuan(amount),
        yuan(amount),
        *["0.00"] * 3,
        yuan(fee),
        "0.00",
        yuan(amount + fee),
    ]


def account_detail(merchant: Merchant, span: Period) -> str:
    """Every movement on the account."""
    sheet = Sheet("账务明细", merchant, span)
    sheet.ruler("账务明细列表")
    sheet.head(ACCOUNT_COLUMNS)
    income: list[int] = []
    outgo: list[int] = []
    for entry in entries(merchant, span).select_related("trade__buyer"):
        (income if entry.amount > 0 else outgo).append(entry.amount)
        trade = entry.trade
        sheet.row(
            [
                _tab(f"{stamp(entry.at)[:10].replace('-', '')}{entry.pk:016d}"),
                _tab(trade.trade_no if trade else ""),
                _tab(trade.out_trade_no if trade else ""),
                trade.subject if trade else "",
                stamp(entry.at),
                _tab(trade.buyer.masked if trade and trade.buyer else ""),
                yuan(max(entry.amount, 0)),
                yuan(min(entry.amount, 0)),
                yuan(entry.balance),
                "支付宝",
                entry.kind,
                "",
            ]
        )
    sheet.ruler("账务明细列表结束")
    sheet.comment(f"支出合计：{len(outgo)}笔，共{yuan(sum(outgo))}元")
    sheet.comment(f"收入合计：{len(income)}笔，共{yuan(sum(income))}元")
    return sheet.done()


def account_summary(merchant: Merchant, span: Period) -> str:
    """The movements by kind."""
    sheet = Sheet("账务汇总", merchant, span)
    sheet.ruler("账务汇总列表")
    sheet.head(ACCOUNT_SUMMARY_COLUMNS)
    kinds: dict[str, list[int]] = {}
    for kind, amount in entries(merchant, span).values_list("kind", "amount"):
        kinds.setdefault(kind, []).append(amount)
    for kind, amounts in kinds.items():
        sheet.row([kind, *_movements(amounts)])
    sheet.row(["合计", *_movements([amount for amounts in kinds.values() for amount in amounts])])
    sheet.ruler("账务汇总列表结束")
    return sheet.done()


def _movements(amounts: list[int]) -> list[object]:
    income = [amount for amount in amounts if amount > 0]
    outgo = [amount for amount in amounts if amount < 0]
    return [len(income), yuan(sum(income)), len(outgo), yuan(sum(outgo)), yuan(sum(amounts))]
