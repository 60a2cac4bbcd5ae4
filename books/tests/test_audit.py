"""Edit each kind of row behind the application's back, triggers off: the audit names it."""

import io
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, transaction
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


def checks_that_fail() -> set[str]:
    return {finding.check for finding in audit.findings()}


def test_an_honest_day_adds_up(a_day: Product) -> None:
    assert audit.findings() == []


def test_an_empty_shop_adds_up(db: None) -> None:
    assert audit.findings() == []


INSERT = (
    "INSERT INTO payments_journalentry (at, what, debit, credit, amount, payment_id, refund_id) "
    "SELECT max(paid_at), '{}', '{}', '{}', {}, min(id), {} FROM payments_payment"
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
}


@pytest.mark.parametrize("what", TAMPERING)
def test_the_audit_names_what_was_tampered_with(a_day: Product, what: str) -> None:
    with triggers_off() as cursor:
        for statement in TAMPERING[what].split("; "):
            cursor.execute(statement)
            assert cursor.rowcount > 0

    found = audit.findings()

    assert found
    assert all(finding.row and finding.words for finding in found)


def test_each_check_can_fail(a_day: Product) -> None:
    failed: set[str] = set()
    for sql in TAMPERING.values():
        with undone(), triggers_off() as cursor:
            for statement in sql.split("; "):
                cursor.execute(statement)
            failed |= checks_that_fail()

    assert failed == set(audit.CHECKS)


@contextmanager
def undone() -> Any:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


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
    for hour, is_due in [(18, False), (19, True), (20, False)]:  # 02:00 to 04:00 in Beijing
        with time_machine.travel(datetime(2026, 11, 22, hour, tzinfo=UTC), tick=False):
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
