"""Every movement of money stands in the journal once, and the accounts say what it comes to."""

import csv
import io
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from conftest import make_order
from payments import journal
from payments.journal import Account, JournalEntry
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.refunds import request_refund
from payments.tests.alipay_side import TRADE_NO, notice, paid
from payments.tests.test_notify import post
from products.models import Product
from users.models import User


def booked() -> list[tuple[str, str, str, str]]:
    return [
        (entry.what, entry.debit, entry.credit, str(entry.amount))
        for entry in JournalEntry.objects.order_by("id")
    ]


def balances() -> dict[str, str]:
    return {account.value: str(journal.balance(account)) for account in Account}


def test_a_sale_and_its_refund(alice: User, operator: User, tea: Product) -> None:
    payment = paid(make_order(alice, tea, quantity=2))
    part = request_refund(payment, amount=Decimal("5.00"), by=operator)

    assert part.mark_done()
    assert not part.mark_done()

    assert booked() == [
        ("SALE", "ALIPAY", "SALES", "19.80"),
        ("REFUND", "RETURNS", "ALIPAY", "5.00"),
    ]
    assert balances() == {
        "ALIPAY": "14.80",
        "SALES": "-19.80",
        "RETURNS": "5.00",
        "FEES": "0.00",
        "LATE_MONEY": "0.00",
    }


def test_late_money_is_owed_until_it_is_back(alice: User, tea: Product) -> None:
    order = make_order(alice, tea)
    payment = Payment.objects.attempt(order)
    order.cancel(by=alice)

    for _ in range(3):
        assert post(notice(payment)).content == b"success"
    assert journal.balance(Account.LATE_MONEY) == Decimal("-9.90")
    Refund.objects.get().mark_done()

    assert booked() == [
        ("LATE_IN", "ALIPAY", "LATE_MONEY", "9.90"),
        ("LATE_OUT", "LATE_MONEY", "ALIPAY", "9.90"),
    ]
    assert set(balances().values()) == {"0.00"}


@pytest.mark.parametrize("what", [journal.What.SALE, journal.What.LATE_IN])
def test_the_database_books_a_movement_once(alice: User, tea: Product, what: journal.What) -> None:
    payment = paid(make_order(alice, tea))
    if what is journal.What.LATE_IN:
        journal.book(what, amount=payment.amount, payment=payment)

    with pytest.raises(IntegrityError), transaction.atomic():
        journal.book(what, amount=payment.amount, payment=payment)


def test_what_is_rolled_back_is_not_booked(alice: User, tea: Product) -> None:
    payment = Payment.objects.attempt(make_order(alice, tea))

    with transaction.atomic():
        assert post(notice(payment)).content == b"success"
        assert len(booked()) == 1
        transaction.set_rollback(True)

    assert booked() == []


def test_the_bookkeeper_takes_it_along(
    operators: Client, alice: User, bob: User, tea: Product
) -> None:
    payment = paid(make_order(alice, tea))
    paid(make_order(bob, tea), trade_no=f"{TRADE_NO}2")

    answer = operators.get(
        f"/admin/payments/journalentry/export/csv/?q={payment.out_trade_no}&account=SALES",
        headers={"Accept-Language": "en"},
    )

    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    assert [(row["debit"], row["credit"], row["amount (yuan)"]) for row in rows] == [
        ("Alipay balance", "Sales", "9.90")
    ]
    assert rows[0]["order number"] == payment.order.order_id
    assert operators.get("/admin/payments/journalentry/?account=FEES").status_code == 200


def test_the_accountants_orders_say_what_each_brought(
    alice: User, operator: User, operators: Client, tea: Product
) -> None:
    payment = paid(make_order(alice, tea, quantity=2))
    make_order(alice, tea)
    request_refund(payment, amount=Decimal("5.00"), by=operator).mark_done()
    part = request_refund(payment, amount=Decimal("1.00"), by=operator)
    journal.book(journal.What.FEE, amount=Decimal("0.12"), payment=payment)
    journal.book(journal.What.FEE_BACK, amount=Decimal("0.03"), payment=payment, refund=part)

    content = operators.get("/admin/orders/order/export/csv/").getvalue().decode("utf-8-sig")

    rows = {row["订单号"].strip(): row for row in csv.DictReader(io.StringIO(content))}
    assert len(rows) == 2
    row = rows.pop(payment.order.order_id)
    assert [row[name] for name in ("收款（元）", "退款（元）", "服务费（元）")] == [
        "19.80",
        "5.00",
        "0.09",
    ]
    (unpaid,) = rows.values()
    assert (unpaid["退款（元）"], unpaid["服务费（元）"]) == ("", "")
