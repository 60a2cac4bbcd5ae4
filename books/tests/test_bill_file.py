"""Golden bills: what Alipay's bills look like, and everything that may be wrong with one."""

import http.server
import io
import socket
import threading
import time
import tracemalloc
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from email.message import Message
from typing import Any

import pytest

from books import bill_file
from books.bill_file import BillFile, Row, Totals
from books.exceptions import BillMalformed
from books.tests.bill_maker import (
    ACCOUNT,
    DAY,
    HEADER,
    GbkName,
    bill,
    packed,
    paid,
    refunded,
    table,
)
from payments.alipay import BEIJING
from payments.exceptions import ResultUnknown

TWO = [paid("G1", "20.00"), refunded("G1", "G1_R1", "5.00")]


def opened(raw: bytes, *, day: date = DAY) -> BillFile:
    return BillFile(io.BytesIO(raw), day=day)


def refusal(raw: bytes) -> str:
    with pytest.raises(BillMalformed) as malformed:
        opened(raw).checked()
    return malformed.value.reason


def test_a_bill_is_read() -> None:
    file = opened(bill(TWO))

    totals, rows = file.checked(), list(file.rows())

    assert totals == Totals(1, 1, Decimal("20.00"), Decimal("5.00"), Decimal("0.09"))
    number, at = "20261121220014G1", datetime(2026, 11, 21, 10, 0, 20, tzinfo=BEIJING)
    assert rows == [
        Row(False, number, "G1", "", Decimal("20.00"), Decimal("20.00"), Decimal("0.12"), at),
        Row(True, number, "G1", "G1_R1", Decimal("5.00"), Decimal("5.00"), Decimal("-0.03"), at),
    ]


def test_a_day_without_rows_is_read() -> None:
    assert opened(bill()).checked() == Totals()


def test_a_day_of_refunds_only_is_read() -> None:
    totals = opened(bill(TWO[1:])).checked()

    assert (totals.payments, totals.refunds, totals.refunded) == (0, 1, Decimal("5.00"))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("summary_first", [False, True])
def test_line_ends_and_the_order_of_files_do_not_matter(newline: str, summary_first: bool) -> None:
    raw = packed(table(TWO, newline=newline), summary_first=summary_first)

    assert opened(raw).checked().rows == 2


@pytest.mark.parametrize(
    "name",
    ["茶, 好", '茶 "好"', '"', "a,b,,c", "多行\n名字", "#龙井", "㐂䶮𠮷", "tab\t", "'", "=1+1"],
)
def test_any_name_of_a_product_is_read(name: str) -> None:
    rows = [paid("G1", "20.00", 商品名称=name), paid("G2", "0.01", 备注=name)]

    assert opened(packed(table(rows), encoding="gb18030")).checked().paid == Decimal("20.01")


def test_columns_are_found_by_their_names() -> None:
    header = [*reversed(HEADER), "新的一列"]
    rows = [row | {"新的一列": "1"} for row in TWO]

    assert opened(bill(rows, header=header)).checked().rows == 2


def test_brackets_may_be_those_of_a_keyboard() -> None:
    text = table(TWO).replace("（元）", "(元)")

    assert opened(packed(text)).checked().rows == 2


@pytest.mark.parametrize(
    "name", ["商户订单号", "业务类型", "订单金额（元）", "退款批次号/请求号", "服务费（元）"]
)
def test_a_missing_column_is_named(name: str) -> None:
    header = [column for column in HEADER if column != name]

    assert refusal(bill(TWO, header=header)) == "missing column"


def test_a_bill_without_its_header_is_refused() -> None:
    text = "".join(line for line in table().splitlines(keepends=True) if "支付宝交易号" not in line)

    assert refusal(packed(text)) == "missing column"


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.99])
def test_a_truncated_zip_is_refused(part: float) -> None:
    raw = bill(TWO)

    assert refusal(raw[: int(len(raw) * part)]) == "damaged zip"


def test_a_damaged_zip_is_refused() -> None:
    raw = bytearray(bill(TWO * 1, newline="\n"))
    raw[200] ^= 0xFF

    assert refusal(bytes(raw)) in ("damaged zip", "wrong encoding")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not a zip"),
        (b"oops", "not a zip"),
        (b"<!DOCTYPE html><title>502 Bad Gateway</title>", "a web page, not a zip"),
        ("<html>\n<h1>下载超时</h1>".encode(), "expired link"),
        ("<html>\n<h1>下载超时</h1>".encode("gbk"), "expired link"),
        (packed(table(TWO), encoding="utf-8"), "wrong encoding"),
        (packed(table(TWO), encoding="utf-16"), "wrong encoding"),
        (packed(table([paid("G1", "1.00")]).encode("gbk") + b"\xff\xff"), "wrong encoding"),
        (packed(b""), "wrong encoding"),
        (bill(TWO, account="账号：[20889999999999990156]"), "another account's bill"),
        (bill(TWO, day=date(2026, 11, 20)), "another day's bill"),
        (bill([paid("G1", "20.00", 完成时间="2026-11-22 00:00:00")]), "another day's row"),
        (bill([paid("G1", "20.00", 完成时间="2026-11-21 25:00:00")]), "not a time"),
        (bill([paid("G1", "20.00", 业务类型="转账")]), "unknown business type"),
        (bill([paid("", "20.00")]), "malformed row"),
        (bill([paid("G" * 65, "20.00")]), "malformed row"),
        (bill([paid("G1", "-20.00")]), "not an amount"),
        (bill([paid("G1", "20.00", **{"服务费（元）": "-20.01"})]), "not an amount"),
        (bill([refunded("G1", "R", "5.00", **{"订单金额（元）": "5.00"})]), "not an amount"),
        (bill([*TWO, paid("G1", "20.00")]), "duplicated row"),
        (bill([*TWO, refunded("G1", "G1_R1", "1.00")]), "duplicated row"),
        (bill(TWO, payments=""), "the sums are missing"),
        (bill(TWO, refunds=""), "the sums are missing"),
        (
            bill(TWO, payments="交易合计：2笔，商家实收共20.00元，商家优惠共0.00元"),
            "the sums are others",
        ),
        (
            bill(TWO, payments="交易合计：1笔，商家实收共20.01元，商家优惠共0.00元"),
            "the sums are others",
        ),
        (
            bill(TWO, refunds="退款合计：1笔，商家实收退款共5.00元，商家优惠退款共0.00元"),
            "the sums are others",
        ),
    ],
)
def test_what_is_wrong_is_named(raw: bytes, reason: str) -> None:
    assert refusal(raw) == reason


@pytest.mark.parametrize("amount", ["", "abc", "1.005", "1,000.00", "NaN", "1e3", "１.00", "+1.00"])
@pytest.mark.parametrize("column", ["订单金额（元）", "商家实收（元）", "服务费（元）"])
def test_what_is_not_an_amount_is_refused(column: str, amount: str) -> None:
    text = table([paid("G1", "7.77", **{column: "7.77"})])
    cell = f'"{amount}"' if "," in amount else amount
    place = HEADER.index(column)
    lines = text.split("\r\n")
    cells = lines[5].split(",")
    cells[place] = cell
    lines[5] = ",".join(cells)

    assert refusal(packed("\r\n".join(lines), encoding="gb18030")) == "not an amount"


@pytest.mark.parametrize("lost", range(1, 9))
def test_a_bill_that_is_cut_off_anywhere_is_refused(lost: int) -> None:
    """Whole in its zip, and yet not all of it."""
    lines = table([*TWO, paid("G2", "0.01")]).splitlines(keepends=True)

    with pytest.raises(BillMalformed):
        opened(packed("".join(lines[: len(lines) - lost - 1]))).checked()


@pytest.mark.parametrize("line", [5, 6])
def test_a_row_that_is_lost_in_the_middle_is_missed(line: int) -> None:
    lines = table([*TWO, paid("G2", "0.01")]).splitlines(keepends=True)

    assert refusal(packed("".join(lines[:line] + lines[line + 1 :]))) == "the sums are others"


def test_a_row_after_the_sums_is_refused() -> None:
    lines = table(TWO).splitlines(keepends=True)

    assert refusal(packed("".join([*lines, lines[5]]))) == "malformed row"


def test_a_row_of_other_length_is_refused() -> None:
    lines = table(TWO).splitlines(keepends=True)
    lines[5] = lines[5].replace("\r\n", ",\r\n")

    assert refusal(packed("".join(lines))) == "malformed row"


def test_a_quote_that_never_ends_is_refused() -> None:
    text = table(TWO).replace("龙井 tea x1", '"龙井 tea x1', 1)

    with pytest.raises(BillMalformed):
        opened(packed(text)).checked()


def test_a_zip_without_the_details_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(GbkName("业务明细(汇总).csv"), b"")

    assert refusal(file.getvalue()) == "no details in the zip"


def test_a_zip_with_two_details_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("1_业务明细.csv", "2_业务明细.csv"):
            archive.writestr(GbkName(name), table(TWO).encode("gbk"))

    assert refusal(file.getvalue()) == "several details in the zip"


def test_a_name_in_utf_8_is_read_too() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{ACCOUNT}_20261121_业务明细.csv", table(TWO).encode("gbk"))

    assert opened(file.getvalue()).checked().rows == 2


def test_a_zip_bomb_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bill_file, "MAX_UNPACKED", 20_000_000)
    text = table(TWO).encode("gbk")
    bomb = packed(text[: text.index(b"2026112122")] + b"0\r\n" * 20_000_000)
    one_line = packed(text[: text.index(b"2026112122")] + b"0" * 60_000_000)
    assert len(bomb) < 200_000

    tracemalloc.start()
    reasons = {refusal(bomb), refusal(one_line)}
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert reasons == {"malformed row"}
    assert most < 5_000_000


def test_what_is_too_large_unpacked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = bill(TWO)
    monkeypatch.setattr(bill_file, "MAX_UNPACKED", 100)

    assert refusal(raw) == "too large"


# -- download --------------------------------------------------------------------------------------


@contextmanager
def bill_centre(answer: Any) -> Iterator[str]:
    """Serve whatever ``answer(handler)`` does, on this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/bill?token=1"
    finally:
        server.shutdown()
        server.server_close()


def answer(body: bytes = b"", *, status: int = 200, **headers: str) -> Any:
    def write(handler: Any) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return write


def test_a_link_is_followed() -> None:
    with bill_centre(answer(bill(TWO))) as url, bill_file.download(url) as file:
        assert BillFile(file, day=DAY).checked().rows == 2


def test_a_redirect_within_the_web_is_followed() -> None:
    with (
        bill_centre(answer(bill(TWO))) as url,
        bill_centre(answer(status=302, Location=url)) as first,
        bill_file.download(first) as file,
    ):
        assert BillFile(file, day=DAY).checked().rows == 2


def test_a_redirect_out_of_the_web_is_not_followed() -> None:
    """Somebody listens there: whoever followed would have come."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        target = f"ftp://127.0.0.1:{elsewhere.getsockname()[1]}/bill"
        elsewhere.setblocking(False)

        with (
            bill_centre(answer(status=302, Location=target)) as url,
            pytest.raises(ResultUnknown, match="leads elsewhere"),
        ):
            bill_file.download(url)

        with pytest.raises(BlockingIOError):
            elsewhere.accept()


@pytest.mark.parametrize("target", ["file:///etc/hostname", "gopher://x/", "data:,1"])
def test_a_redirect_to_no_address_of_the_web_says_nothing(target: str) -> None:
    with (
        bill_centre(answer(status=302, Location=target)) as url,
        pytest.raises(ResultUnknown, match="HTTPError"),
    ):
        bill_file.download(url)


@pytest.mark.parametrize(
    ("before", "after", "is_followed"),
    [
        ("http", "http", True),
        ("http", "https", True),
        ("https", "https", True),
        ("https", "http", False),
        ("http", "ftp", False),
        ("https", "ftp", False),
    ],
)
def test_a_redirect_never_leads_down(before: str, after: str, is_followed: bool) -> None:
    request = urllib.request.Request(f"{before}://bill.example/")

    def redirected() -> Any:
        return bill_file.WithinTheWeb().redirect_request(
            request, io.BytesIO(), 302, "Found", Message(), f"{after}://bill.example/2"
        )

    if is_followed:
        assert redirected().full_url == f"{after}://bill.example/2"
    else:
        with pytest.raises(ResultUnknown):
            redirected()


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_error_of_the_bill_centre_says_nothing(status: int) -> None:
    with bill_centre(answer(status=status)) as url, pytest.raises(ResultUnknown):
        bill_file.download(url)


def test_nobody_there_says_nothing() -> None:
    with pytest.raises(ResultUnknown):
        bill_file.download("http://127.0.0.1:9/bill")


def test_what_does_not_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bill_file, "MAX_DOWNLOAD", 100_000)

    with (
        bill_centre(answer(b"PK" * 100_000)) as url,
        pytest.raises(BillMalformed, match="too large"),
    ):
        bill_file.download(url)


def test_what_comes_in_drops_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bill_file, "WHOLE_PATIENCE", 0.3)

    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            time.sleep(0.05)
            handler.wfile.write(b"P")

    started = time.monotonic()
    with bill_centre(drip) as url, pytest.raises(ResultUnknown):
        bill_file.download(url)

    assert time.monotonic() - started < 3


def test_silence_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bill_file, "PATIENCE", 0.3)

    with bill_centre(lambda handler: time.sleep(2)) as url, pytest.raises(ResultUnknown):
        bill_file.download(url)
