"""What Alipay's bill of a day says, read from its link to its last row.

    1. download  the link is good for thirty seconds; what is behind it goes to a temporary file
    2. open      a zip of two CSV files whose names are GBK: the details, not their summary
    3. read      GBK, 25 columns found by their names, one row a payment or refund
    4. check     the bill's own sums against its rows, and that no row stands in it twice

A bill is read row by row, so that its size does not matter, and twice: `BillFile.checked` goes
through all of it before `BillFile.rows` is believed. Whatever is odd raises BillMalformed; a
bill is never half-read.
"""

import csv
import http.client
import io
import re
import sqlite3
import tempfile
import time
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from books.exceptions import BillMalformed
from payments.alipay import BEIJING
from payments.exceptions import ResultUnknown

PIECE = 64 * 1024
# A row takes some thirty bytes in the zip and three hundred out of it.
MAX_DOWNLOAD = 64 * 1024 * 1024
MAX_UNPACKED = 1024 * 1024 * 1024
MAX_LINE = 16 * 1024
MAX_NUMBER = 64
# How long the bill centre may say nothing, and how long it may take in all.
PATIENCE, WHOLE_PATIENCE = 20, 300  # seconds

PAYMENT, REFUND = "交易", "退款"
# Brackets are as a keyboard writes them: bills are not of one mind about theirs.
COLUMNS = {
    "trade_no": "支付宝交易号",
    "out_trade_no": "商户订单号",
    "business": "业务类型",
    "completed_at": "完成时间",
    "amount": "订单金额(元)",
    "received": "商家实收(元)",
    "out_request_no": "退款批次号/请求号",
    "fee": "服务费(元)",
}
AMOUNT = re.compile(r"-?\d{1,9}(\.\d{1,2})?", re.ASCII)
ACCOUNT = re.compile(r"#账号：\[(\d+)\]", re.ASCII)
FIRST_DAY = re.compile(r"#起始日期：\[(\d{4})年(\d\d)月(\d\d)日", re.ASCII)
PAID_IN_ALL = re.compile(r"#交易合计：(\d+)笔，商家实收共(-?\d+\.\d\d)元", re.ASCII)
REFUNDED_IN_ALL = re.compile(r"#退款合计：(\d+)笔，商家实收退款共(-?\d+\.\d\d)元", re.ASCII)


class Row(NamedTuple):
    """One payment or refund; all amounts are positive, as the shop's own are."""

    is_refund: bool
    trade_no: str
    out_trade_no: str
    out_request_no: str
    amount: Decimal
    received: Decimal  # or taken back
    fee: Decimal  # what Alipay kept; below zero what it gave back
    completed_at: datetime

    @property
    def business(self) -> str:
        return REFUND if self.is_refund else PAYMENT


@dataclass
class Totals:
    payments: int = 0
    refunds: int = 0
    paid: Decimal = Decimal("0.00")
    refunded: Decimal = Decimal("0.00")
    fees: Decimal = Decimal("0.00")

    def add(self, row: Row) -> None:
        if row.is_refund:
            self.refunds += 1
            self.refunded += row.received
        else:
            self.payments += 1
            self.paid += row.received
        self.fees += row.fee

    @property
    def rows(self) -> int:
        return self.payments + self.refunds


# -- download --------------------------------------------------------------------------------------


def download(url: str) -> IO[bytes]:
    """Return a temporary file with what is behind a link.

    Raise ResultUnknown when it cannot be had, BillMalformed when it does not end.
    """
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  whoever reads it closes it
    try:
        for piece in pieces(url):
            if file.tell() + len(piece) > MAX_DOWNLOAD:
                raise BillMalformed("too large", f"more than {MAX_DOWNLOAD} bytes")
            file.write(piece)
    except BaseException:
        file.close()
        raise
    return file


def pieces(url: str) -> Iterator[bytes]:
    """Fetch a link by a plain GET, in small pieces and in bounded time."""
    until = time.monotonic() + WHOLE_PATIENCE
    opener = urllib.request.build_opener(WithinTheWeb)
    try:
        with opener.open(url, timeout=PATIENCE) as answer:
            while piece := answer.read1(PIECE):
                yield piece
                if time.monotonic() > until:
                    raise TimeoutError
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ResultUnknown(f"bill link: {type(error).__name__}") from error


class WithinTheWeb(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to the same scheme, or from http up to https, and to no other."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in (req.type, "https"):
            raise ResultUnknown("bill link: leads elsewhere")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


# -- read ------------------------------------------------------------------------------------------


class BillFile:
    """The zip of a day, wherever it came from."""

    def __init__(self, file: IO[bytes], *, day: date) -> None:
        self.file, self.day = file, day

    def checked(self) -> Totals:
        """Read all of it and return its sums; raise BillMalformed unless all of it is sound."""
        totals = Totals()
        with closing(NumbersSeen()) as seen:
            for row in self.rows():
                totals.add(row)
                if not seen.is_new(row):
                    number = row.out_request_no or row.out_trade_no
                    raise BillMalformed("duplicated row", f"{row.business} {number}")
        return totals

    def rows(self) -> Iterator[Row]:
        """Read row by row; raise BillMalformed as soon as something is odd."""
        with readable(self.file) as lines:
            yield from Table(lines, day=self.day).rows()


class NumbersSeen:
    """Which numbers a bill has named so far: on disk once they are many."""

    def __init__(self) -> None:
        self.database = sqlite3.connect("")
        self.database.execute("PRAGMA journal_mode = OFF")
        self.database.execute("CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID")

    def is_new(self, row: Row) -> bool:
        key = f"{row.business} {row.out_trade_no} {row.out_request_no}"
        found = self.database.execute("INSERT OR IGNORE INTO seen VALUES (?)", [key])
        return found.rowcount == 1

    def close(self) -> None:
        self.database.close()


@contextmanager
def readable(file: IO[bytes]) -> Iterator[Iterator[str]]:
    """Open the CSV of the details in a zip, and hand out its lines."""
    file.seek(0)
    refuse_what_is_no_zip(file.read(PIECE))
    try:
        with zipfile.ZipFile(file) as archive, archive.open(details(archive)) as packed:
            unpacked = io.BufferedReader(Bounded(packed))
            # GBK, and what has been added to it since.
            yield lines(io.TextIOWrapper(unpacked, encoding="gb18030", newline=""))
    except UnicodeDecodeError as error:
        raise BillMalformed("wrong encoding", "not GBK") from error
    except csv.Error as error:
        raise BillMalformed("malformed row", error) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise BillMalformed("damaged zip", error) from error


def refuse_what_is_no_zip(start: bytes) -> None:
    """Tell a link that is too old, or any other page, from a zip."""
    if start.startswith(b"PK"):
        return
    if any("下载超时".encode(encoding) in start for encoding in ("utf-8", "gb18030")):
        raise BillMalformed("expired link")
    if start.lstrip().startswith(b"<"):
        raise BillMalformed("a web page, not a zip")
    raise BillMalformed("not a zip", f"{len(start)} bytes" if start else "nothing at all")


def details(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Find the file of the details: not the summary, whichever comes first."""
    found = [
        member
        for member in archive.infolist()
        if "业务明细" in name(member) and "汇总" not in name(member)
    ]
    if len(found) != 1:
        raise BillMalformed("no details in the zip" if not found else "several details in the zip")
    if found[0].flag_bits & 0x1:
        raise BillMalformed("encrypted zip")
    return found[0]


def name(member: zipfile.ZipInfo) -> str:
    """Return a name in the zip as Alipay meant it: GBK, which zipfile takes for cp437."""
    if member.flag_bits & 0x800:
        return member.filename
    return member.filename.encode("cp437", "replace").decode("gb18030", "replace")


class Bounded(io.RawIOBase):
    """A file that ends in BillMalformed when it is longer than any bill: it may be a zip bomb."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.left = file, MAX_UNPACKED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.file.read(len(buffer))
        self.left -= len(piece)
        if self.left < 0:
            raise BillMalformed("too large", f"more than {MAX_UNPACKED} bytes unpacked")
        buffer[: len(piece)] = piece
        return len(piece)


def lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Hand out lines of bounded length, whatever they end in."""
    while line := text.readline(MAX_LINE):
        if len(line) == MAX_LINE:
            raise BillMalformed("malformed row", f"longer than {MAX_LINE}")
        yield line


# -- the table -------------------------------------------------------------------------------------


class Table:
    """Comments, a header, rows, and comments that say what they come to."""

    def __init__(self, lines: Iterator[str], *, day: date) -> None:
        self.csv, self.day = csv.reader(lines), day
        self.places: Callable[[list[str]], tuple[str, ...]] | None = None
        self.width = 0
        self.told: dict[str, tuple[int, Decimal]] = {}

    def rows(self) -> Iterator[Row]:
        totals = Totals()
        self.begin()
        for cells in self.csv:
            if not cells:
                continue
            if cells[0].startswith("#"):
                self.comment(",".join(cells))
            elif self.places is None:
                self.header(cells)
            elif self.told:
                raise self.odd("malformed row", "after the sums")
            else:
                row = self.row(cells)
                totals.add(row)
                yield row
        self.compare(totals)

    def begin(self) -> None:
        """Read the first line, by which one sees whether the text is what it should be."""
        first = next(self.csv, [])
        if not first or not first[0].startswith("#支付宝"):
            raise BillMalformed("wrong encoding", "the first line is not Alipay's")

    def comment(self, text: str) -> None:
        """Look at a line around the table: whose and which day's it is, or what it comes to."""
        if account := ACCOUNT.match(text):
            if not account[1].startswith(settings.ALIPAY_SELLER_ID):
                raise self.odd("another account's bill", account[1])
        elif first_day := FIRST_DAY.match(text):
            if "-".join(first_day.groups()) != self.day.isoformat():
                raise self.odd("another day's bill", "-".join(first_day.groups()))
        elif paid := PAID_IN_ALL.match(text):
            self.told[PAYMENT] = int(paid[1]), Decimal(paid[2])
        elif refunded := REFUNDED_IN_ALL.match(text):
            self.told[REFUND] = int(refunded[1]), -Decimal(refunded[2])

    def header(self, cells: list[str]) -> None:
        """Find the columns by their names."""
        names = [cell.strip().replace("（", "(").replace("）", ")") for cell in cells]
        for wanted in COLUMNS.values():
            if names.count(wanted) != 1:
                raise self.odd("missing column", wanted)
        places = [names.index(wanted) for wanted in COLUMNS.values()]
        self.places = lambda row: tuple(row[place].strip() for place in places)
        self.width = len(cells)

    def row(self, cells: list[str]) -> Row:
        if len(cells) != self.width or self.places is None:
            raise self.odd("malformed row", f"{len(cells)} columns instead of {self.width}")
        trade_no, out_trade_no, business, completed_at, amount, received, number, fee = self.places(
            cells
        )
        if business not in (PAYMENT, REFUND):
            raise self.odd("unknown business type", business)
        numbers = (trade_no, out_trade_no, number)
        if not trade_no or not out_trade_no or max(map(len, numbers)) > MAX_NUMBER:
            raise self.odd("malformed row", "its numbers")
        if not completed_at.startswith(self.day.isoformat()):
            raise self.odd("another day's row", completed_at)
        is_refund = business == REFUND
        sign = -1 if is_refund else 1
        row = Row(
            is_refund,
            trade_no,
            out_trade_no,
            number if is_refund else "",
            sign * self.amount(amount),
            sign * self.amount(received),
            -self.amount(fee),
            self.moment(completed_at),
        )
        if row.amount <= 0 or row.received < 0:
            raise self.odd("not an amount", f"{business} {amount} {received}")
        if abs(row.fee) > row.amount:
            raise self.odd("not an amount", f"{business} {amount}, of which a fee of {fee}")
        return row

    def amount(self, text: str) -> Decimal:
        if not AMOUNT.fullmatch(text):
            raise self.odd("not an amount", text)
        return Decimal(text)

    def moment(self, text: str) -> datetime:
        try:
            return datetime.fromisoformat(text).replace(tzinfo=BEIJING)
        except ValueError:
            raise self.odd("not a time", text) from None

    def compare(self, totals: Totals) -> None:
        """Compare the rows with what the bill says that they come to: a bill may be cut off."""
        if self.places is None:
            raise BillMalformed("missing column", "there is no header")
        if set(self.told) != {PAYMENT, REFUND}:
            raise BillMalformed("the sums are missing", "it ends too early")
        counted = {
            PAYMENT: (totals.payments, totals.paid),
            REFUND: (totals.refunds, totals.refunded),
        }
        for business, (number, amount) in counted.items():
            if self.told[business] != (number, amount):
                told = "{}, {}".format(*self.told[business])
                raise BillMalformed(
                    "the sums are others", f"{business}: {number}, {amount}; the bill says {told}"
                )

    def odd(self, reason: str, detail: object) -> BillMalformed:
        """Name what is odd by its line."""
        return BillMalformed(reason, f"line {self.csv.line_num}: {str(detail)[:80]}")
