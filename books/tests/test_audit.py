"""Edit each kind of row behind the application's back, triggers off: the audit names it."""

import io
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test import Client

from books import audit
from books.models import AuditReport
from conftest import make_order
from core import triggers
from payments import alipay
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.refunds import request_refund
from payments.tests.alipay_side import TRADE_NO, notice, paid
from payments.tests.test_notify import post
from products.models import Product
from users.models import User


@pytest.fixture
def a_day(alice: User, bob: User, operator: User) -> Product:
    """One of everything: an open order, a paid one, a refunded one, a cancelled one, late money."""
    tea = Product.objects.create(name="tea", price=Decimal("9.90"), stock=10)
    make_order(bob, tea, quantity=1)
    noticed = Payment.objects.attempt(make_order(alice, tea, quantity=2))
    assert post(notice(noticed)).content == b"success"
    for number, amount in enumerate(["9.90", "1.00"]):
        payment = paid(make_order(alice, tea), trade_no=f"{TRADE_NO}{number}")
        part = request_refund(payment, amount=Decimal(amount), by=operator, restocks=True)
        part.mark_done()
    order = make_order(bob, tea)
    late = Payment.objects.attempt(order)
    order.cancel(by=bob)
    late.settle(trade(late, f"{TRADE_NO}9"))
    Refund.objects.get(cause="LATE").mark_done()
    return tea


def trade(payment: Payment, trade_no: str) -> Any:
    return alipay.read_trade(notice(payment, trade_no=trade_no))


@contextmanager
def triggers_off() -> Any:
    """Let raw SQL reach what never changes, as somebody with the database's password could."""
    tables = ("products_stockmovement", "orders_event", "payments_journalentry")
    with connection.cursor() as cursor:
        for table in tables:
            for statement in triggers.sql(triggers.UNDO_UPDATE_DELETE[connection.vendor], table):
                cursor.execute(statement)
        yield cursor
        for table in tables:
            for statement in triggers.sql(triggers.UPDATE_DELETE[connection.vendor], table):
                cursor.execute(statement.replace("%", "%%"))


def test_an_honest_day_adds_up(a_day: Product) -> None:
    assert audit.findings() == []


def test_an_empty_shop_adds_up(db: None) -> None:
    assert audit.findings() == []


INSERT = (
    "INSERT INTO payments_journalentry (at, what, debit, credit, amount, payment_id, refund_id) "
    "SELECT max(paid_at), '{}', '{}', '{}', {}, min(id), {} FROM payments_payment"
)
EVENT = (
    "INSERT INTO orders_event (order_id, at, what, about, evidence) "
    "SELECT id, created_at, '{}', '', '' FROM orders_order WHERE status = '{}'"
)
TAMPERING = {
    "paid at another time": "UPDATE orders_order SET paid_at = NULL WHERE status = 'PAID'",
    "evidence gone": "DELETE FROM payments_notice",
    "evidence forged": "UPDATE payments_notice SET verdict = 'REFUSED' WHERE verdict = 'SETTLED'",
    "evidence of another": "UPDATE payments_notice SET notify_id = 'x' WHERE verdict = 'SETTLED'",
    "refund and its entry gone": (
        "DELETE FROM payments_journalentry WHERE refund_id IN (SELECT id FROM payments_refund "
        "WHERE amount = 1); DELETE FROM payments_refund WHERE amount = 1"
    ),
    "refund of nothing": INSERT.format(
        "REFUND",
        "RETURNS",
        "ALIPAY",
        "9.90",
        "NULL",
    ),
    "fee above all": INSERT.format("FEE", "FEES", "ALIPAY", "9999", "NULL"),
    "sale of a refund": (
        "UPDATE payments_journalentry SET refund_id = (SELECT max(id) FROM payments_refund) "
        "WHERE what = 'SALE' AND id = (SELECT min(id) FROM payments_journalentry)"
    ),
    "refund of another payment": (
        "UPDATE payments_journalentry SET payment_id = (SELECT min(id) FROM payments_payment) "
        "WHERE what = 'REFUND'"
    ),
    "stock": "UPDATE products_product SET stock = stock + 1",
    "movement": "UPDATE products_stockmovement SET quantity = -3 WHERE quantity = -2",
    "movement's order": "UPDATE products_stockmovement SET reference = 'X' WHERE quantity = -2",
    "movement gone": "DELETE FROM products_stockmovement WHERE cause = 'CANCEL'",
    "movement doubled": (
        "INSERT INTO products_stockmovement (product_id, at, quantity, cause, reference, reason) "
        "SELECT product_id, at, quantity, cause, reference, reason FROM products_stockmovement "
        "WHERE cause = 'CANCEL'"
    ),
    "total": "UPDATE orders_order SET total_price = 1 WHERE status = 'UNPAID'",
    "order paid by hand": "UPDATE orders_order SET status = 'PAID' WHERE status = 'UNPAID'",
    "order unpaid by hand": "UPDATE orders_order SET status = 'UNPAID' WHERE status = 'PAID'",
    "order cancelled by hand": (
        "UPDATE orders_order SET status = 'CANCELLED' WHERE status = 'UNPAID'"
    ),
    "order refunded by hand": "UPDATE orders_order SET status = 'REFUNDED' WHERE status = 'PAID'",
    "order's trade": "UPDATE orders_order SET transaction_id = '1' WHERE status = 'REFUNDED'",
    "order's goods back": (
        "UPDATE orders_order SET restocked_at = created_at WHERE status = 'UNPAID'"
    ),
    "line's price": "UPDATE orders_orderitem SET price_at_purchase = 1 WHERE quantity = 2",
    "line's quantity": "UPDATE orders_orderitem SET quantity = 1 WHERE quantity = 2",
    "event": "UPDATE orders_event SET what = 'CANCELLED' WHERE what = 'REFUNDED'",
    "event gone": "DELETE FROM orders_event WHERE what = 'PAID'",
    "event's evidence": "UPDATE orders_event SET about = '1' WHERE what = 'PAID'",
    "payment's amount": "UPDATE payments_payment SET amount = 1 WHERE status = 'PAID'",
    "payment undone": "UPDATE payments_payment SET status = 'CLOSED' WHERE status = 'PAID'",
    "payment's trade": (
        "UPDATE payments_payment SET trade_no = '1' WHERE status = 'PAID' AND trade_no = "
        f"'{TRADE_NO}'"
    ),
    "refund's amount": "UPDATE payments_refund SET amount = 2 WHERE amount = 1",
    "refund undone": "UPDATE payments_refund SET status = 'FAILED' WHERE amount = 1",
    "refund gone": (
        "UPDATE payments_refund SET cause = 'OPERATOR', status = 'FAILED' WHERE cause = 'LATE'"
    ),
    "journal's amount": "UPDATE payments_journalentry SET amount = 2 WHERE amount = 1",
    "journal's account": "UPDATE payments_journalentry SET credit = 'FEES' WHERE what = 'SALE'",
    "journal's kind": (
        "UPDATE payments_journalentry SET what = 'LATE_IN', credit = 'LATE_MONEY' "
        "WHERE what = 'SALE'"
    ),
    "journal gone": "DELETE FROM payments_journalentry WHERE what = 'LATE_OUT'",
    "notice": "UPDATE payments_notice SET trade_no = '1'",
    "notice's text": "UPDATE payments_notice SET raw = 'sign=1'",
    "refund above all": "UPDATE payments_refund SET amount = 99 WHERE amount = 1",
    "refund above its payment": (
        "UPDATE payments_refund SET amount = 99 WHERE amount = 9.90 AND cause = 'OPERATOR'"
    ),
    "payment unrefunded": ("UPDATE payments_payment SET status = 'PAID' WHERE status = 'REFUNDED'"),
    "payment refunded by hand": (
        "UPDATE payments_payment SET status = 'REFUNDED' WHERE status = 'PAID'"
    ),
    "payment closed by hand": (
        "UPDATE payments_payment SET status = 'CLOSED' WHERE status = 'REFUNDED'"
    ),
    "refund on the late account": (
        "UPDATE payments_journalentry SET what = 'LATE_OUT', debit = 'LATE_MONEY' "
        "WHERE what = 'REFUND'"
    ),
    "late money on the returns": (
        "UPDATE payments_journalentry SET what = 'REFUND', debit = 'RETURNS' "
        "WHERE what = 'LATE_OUT'"
    ),
    "late money as a sale": (
        "UPDATE payments_journalentry SET what = 'SALE', credit = 'SALES' WHERE what = 'LATE_IN'"
    ),
    "sale booked as late money too": INSERT.format(
        "LATE_IN",
        "ALIPAY",
        "LATE_MONEY",
        "9.90",
        "NULL",
    ),
    "refund booked as late money too": (
        "INSERT INTO payments_journalentry "
        "(at, what, debit, credit, amount, payment_id, refund_id) "
        "SELECT at, 'LATE_OUT', 'LATE_MONEY', 'ALIPAY', amount, payment_id, refund_id "
        "FROM payments_journalentry WHERE what = 'REFUND'"
    ),
    "booked before it is done": "UPDATE payments_refund SET status = 'UNKNOWN' WHERE amount = 1",
    "cancelled, goods kept": (
        "UPDATE orders_order SET restocked_at = NULL WHERE status = 'CANCELLED'"
    ),
    "placing gone": "DELETE FROM orders_event WHERE what = 'PLACED'",
    "cancelling gone": "DELETE FROM orders_event WHERE what = 'CANCELLED'",
    "refunding gone": "DELETE FROM orders_event WHERE what = 'REFUNDED'",
    "cancelled, also paid": EVENT.format("PAID", "CANCELLED"),
    "paid, also cancelled": EVENT.format("EXPIRED", "PAID"),
    "paid, also refunded": EVENT.format("REFUNDED", "PAID"),
    "late refund of a part": "UPDATE payments_refund SET amount = 1 WHERE cause = 'LATE'",
    "no trade": (
        "UPDATE orders_order SET transaction_id = '' WHERE status = 'PAID'; "
        "UPDATE payments_payment SET trade_no = '' WHERE status = 'PAID' "
        "AND id = (SELECT min(payment_id) FROM payments_notice)"
    ),
    "notice of another number": "UPDATE payments_notice SET out_trade_no = 'x'",
    "notice of another payment": (
        "UPDATE payments_notice SET payment_id = (SELECT max(id) FROM payments_payment)"
    ),
    "fee on the wrong side": INSERT.format("FEE", "ALIPAY", "FEES", "0.01", "NULL"),
    "refund told of another order": (
        "UPDATE orders_event SET order_id = (SELECT min(id) FROM orders_order) "
        "WHERE what = 'REFUND_DONE'"
    ),
}

# The checks that say so, and no other.
FOUND = {
    "paid at another time": {"evidence"},
    "evidence gone": {"evidence"},
    "evidence forged": {"evidence"},
    "evidence of another": {"evidence"},
    "refund and its entry gone": {"refunds told"},
    "refund of nothing": {"journal"},
    "fee above all": {"journal"},
    "sale of a refund": {"journal", "sales journal"},
    "refund of another payment": {"journal"},
    "stock": {"stock"},
    "movement": {"order lines", "stock"},
    "movement's order": {"movements", "order lines"},
    "movement gone": {"order lines", "stock"},
    "movement doubled": {"order lines", "stock"},
    "total": {"totals"},
    "order paid by hand": {"evidence", "history"},
    "order unpaid by hand": {"history", "money"},
    "order cancelled by hand": {"history"},
    "order refunded by hand": {"history"},
    "order's trade": {"evidence", "money", "refunds journal", "sales journal"},
    "order's goods back": {"order lines"},
    "line's price": {"totals"},
    "line's quantity": {"order lines", "totals"},
    "event": {"history"},
    "event gone": {"evidence", "history"},
    "event's evidence": {"evidence"},
    "payment's amount": {"attempts", "journal", "refunds", "sales journal"},
    "payment undone": {"evidence", "notices", "refunds", "sales journal"},
    "payment's trade": {"evidence", "money", "notices", "sales journal"},
    "refund's amount": {"refunds journal"},
    "refund undone": {"refunds journal", "refunds told"},
    "refund gone": {"money", "refunds", "refunds journal", "refunds told"},
    "journal's amount": {"journal", "refunds journal"},
    "journal's account": {"journal"},
    "journal's kind": {"sales journal"},
    "journal gone": {"refunds journal"},
    "notice": {"notices"},
    "notice's text": {"notices"},
    "refund above all": {"refunds", "refunds journal"},
    "refund above its payment": {"refunds", "refunds journal"},
    "payment unrefunded": {"refunds"},
    "payment refunded by hand": {"refunds"},
    "payment closed by hand": {"evidence", "money", "refunds", "sales journal"},
    "refund on the late account": {"refunds journal"},
    "late money on the returns": {"refunds journal"},
    "late money as a sale": {"sales journal"},
    "sale booked as late money too": {"sales journal"},
    "refund booked as late money too": {"refunds journal"},
    "booked before it is done": {"refunds journal", "refunds told"},
    "cancelled, goods kept": {"history", "order lines"},
    "placing gone": {"history"},
    "cancelling gone": {"history"},
    "refunding gone": {"history"},
    "cancelled, also paid": {"history"},
    "paid, also cancelled": {"history"},
    "paid, also refunded": {"history"},
    "late refund of a part": {"journal", "money", "refunds", "refunds journal"},
    "no trade": {"evidence", "money", "notices", "refunds journal", "sales journal"},
    "notice of another number": {"notices"},
    "notice of another payment": {"evidence", "notices"},
    "fee on the wrong side": {"journal"},
    "refund told of another order": {"refunds told"},
}


@pytest.mark.parametrize("what", TAMPERING)
def test_the_audit_names_what_was_tampered_with(a_day: Product, what: str) -> None:
    with triggers_off() as cursor:
        for statement in TAMPERING[what].split("; "):
            cursor.execute(statement)
            assert cursor.rowcount > 0

    found = audit.findings()

    assert {finding.check for finding in found} == FOUND[what]
    assert all(finding.row and finding.words for finding in found)


def test_each_check_is_the_one_that_finds_something() -> None:
    assert set().union(*FOUND.values()) == set(audit.CHECKS)


def test_a_fee_is_no_finding(a_day: Product) -> None:
    with connection.cursor() as cursor:
        cursor.execute(INSERT.format("FEE", "FEES", "ALIPAY", "0.01", "NULL"))

    assert audit.findings() == []


def test_the_command_prints_names_and_fails(
    a_day: Product, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    output = io.StringIO()
    call_command("audit", stdout=output)
    assert "adds up" in output.getvalue()

    Product.objects.update(stock=99)
    with pytest.raises(SystemExit) as end:
        call_command("audit", stdout=output)

    assert end.value.code == 1
    assert "tea" in output.getvalue()
    assert [report.count for report in AuditReport.objects.order_by("id")] == [0, 1]


def test_a_night_has_one_audit(db: None) -> None:
    night = datetime(2026, 11, 22, 19, tzinfo=UTC)  # 03:00 in Beijing
    second = timedelta(seconds=1)
    for moment, is_due in [(night - second, False), (night, True), (night + second, False)]:
        with time_machine.travel(moment, tick=False):
            assert audit.is_due() == is_due
            if is_due:
                audit.audit()


@pytest.mark.parametrize("quantity", [3, 6, 7])
def test_a_price_times_a_quantity_is_no_finding(alice: User, tea: Product, quantity: int) -> None:
    """SQLite multiplies floats, in which three times 9.90 is not 29.70."""
    paid(make_order(alice, tea, quantity=quantity))

    assert audit.findings() == []


def test_a_report_speaks_the_readers_language_and_leads_to_the_rows(
    a_day: Product, operators: Client
) -> None:
    Product.objects.update(stock=99)
    report = audit.audit()
    address = f"/admin/books/auditreport/{report.pk}/change/"

    shown = [
        operators.get(address, headers={"Accept-Language": language}).content.decode()
        for language in ("en", "zh-hans")
    ]

    link = f'<a href="/admin/products/product/{a_day.pk}/change/">Product {a_day.pk} (tea)</a>'
    assert all(link in page for page in shown)
    assert ["The stock is not the sum of its movements." in page for page in shown] == [True, False]
