"""Who changes what is scarce locks it first: what was read before the wait is old.

PostgreSQL locks the row; on SQLite the transaction takes the only write lock when it begins.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from conftest import make_order, make_product
from letters import post
from letters.models import Letter
from orders.models import Order
from payments import refunds
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.refunds import request_refund
from payments.tests.alipay_side import paid
from payments.tests.test_settle import trade_of
from products import imports
from products.models import Product
from users.models import User

LOCK = re.compile(r'FROM "(\w+)".* FOR (?:NO KEY )?UPDATE(?: OF "\w+")?( SKIP LOCKED)?$', re.DOTALL)
FIVE = Decimal("5.00")


@pytest.fixture
def shop(transactional_db: None, settings: Any) -> SimpleNamespace:
    """An open order, a paid one, and a refund of each state that somebody changes."""
    settings.REFUND_APPROVAL_AMOUNT = Decimal("10.00")
    alice = User.objects.create_user("alice", email="alice@shop.example")
    by = User.objects.create_superuser("operator")
    second = User.objects.create_superuser("second")
    tea = make_product(price="99.00", stock=100)
    unpaid = make_order(alice, tea)
    payment = Payment.objects.select_related("order").get(pk=paid(make_order(alice, tea)).pk)
    requested = request_refund(payment, amount=FIVE, by=by)
    failed = request_refund(payment, amount=FIVE, by=by)
    failed.mark_failed("ACQ.NO")
    waiting = request_refund(payment, amount=Decimal("20.00"), by=by)
    # As their pages have them: with the payment read already.
    refunds_ = {
        refund.pk: refund for refund in Refund.objects.select_related("payment__order").all()
    }
    post.write_letters()
    Letter.objects.update(status=Letter.Status.SENT)
    letter = Letter.objects.select_related("event__order__user").earliest("id")
    attempt = Payment.objects.attempt(unpaid)
    return SimpleNamespace(
        alice=alice,
        by=by,
        second=second,
        tea=tea,
        unpaid=unpaid,
        payment=payment,
        letter=letter,
        attempt=attempt,
        trade=replace(trade_of(attempt), trade_no="2"),
        requested=refunds_[requested.pk],
        failed=refunds_[failed.pk],
        waiting=refunds_[waiting.pk],
        draft=imports.keep([], name="tea.csv", by=by),
    )


STORIES: dict[str, tuple[list[str], Callable[[Any], Any]]] = {
    "place an order": (
        ["users_user", "products_product"],
        lambda shop: make_order(shop.alice, shop.tea),
    ),
    "open an attempt": (
        ["orders_order"],
        lambda shop: Payment.objects.attempt(shop.unpaid, kind="qr"),
    ),
    "settle": (["payments_payment"], lambda shop: shop.attempt.settle(shop.trade)),
    "request a refund": (
        ["payments_payment", "users_user"],
        lambda shop: request_refund(shop.payment, amount=FIVE, by=shop.by),
    ),
    "approve a refund": (
        ["payments_payment"],
        lambda shop: refunds.approve(shop.waiting, by=shop.second),
    ),
    "decline a refund": (
        ["payments_payment"],
        lambda shop: refunds.decline(shop.waiting, by=shop.second, reason="no"),
    ),
    "retry a refund": (
        ["payments_payment", "users_user"],
        lambda shop: refunds.retry(shop.failed, by=shop.by),
    ),
    "a refund is done": (["payments_payment"], lambda shop: shop.requested.mark_done()),
    "claim payments": (
        ["payments_payment SKIP LOCKED"],
        lambda shop: Payment.objects.all().claim(),
    ),
    "claim refunds": (["payments_refund SKIP LOCKED"], lambda shop: Refund.objects.all().claim()),
    "claim letters": (["letters_letter SKIP LOCKED"], lambda shop: Letter.objects.all().claim()),
    "send a letter again": (["letters_letter"], lambda shop: post.again(shop.letter, by=shop.by)),
    "carry an import out": (
        ["products_importdraft"],
        lambda shop: imports.carry_out(shop.draft.pk, by=shop.by),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_it_locks_before_it_reads(shop: SimpleNamespace, story: str) -> None:
    tables, act = STORIES[story]

    with CaptureQueriesContext(connection) as captured:
        act(shop)

    statements = [query["sql"] for query in captured if query["sql"] != "BEGIN"]
    if connection.vendor == "sqlite":
        assert statements[0] == "BEGIN IMMEDIATE"
        assert statements.count("BEGIN IMMEDIATE") == 1
        return
    locks = ["".join(lock.groups("")) for sql in statements if (lock := LOCK.search(sql))]
    assert locks == tables
    assert LOCK.search(statements[0])


def test_products_are_locked_in_ascending_order(shop: SimpleNamespace) -> None:
    cup = make_product("cup")

    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        locked = Product.objects.all().order_by("-id").locked([cup.id, shop.tea.id, 2**70])

    assert [product.id for product in locked] == [shop.tea.id, cup.id]
    assert 'ORDER BY "products_product"."id" ASC' in captured[-1]["sql"]


def test_at_most_a_batch_is_claimed_the_oldest_first(shop: SimpleNamespace) -> None:
    orders = [make_order(shop.alice, shop.tea) for _ in range(3)]
    attempts = [Payment.objects.attempt(order) for order in reversed(orders)]
    Payment.objects.exclude(pk__in=[each.pk for each in attempts]).update(due_at=None)
    for minutes, attempt in enumerate(attempts):
        Payment.objects.filter(pk=attempt.pk).update(
            due_at=Order.objects.latest("id").created_at.replace(year=2020, minute=minutes)
        )

    claimed = [Payment.objects.all().claim(at_most=2) for _ in range(3)]

    assert [[row.pk for row in rows] for rows in claimed] == [
        [attempts[0].pk, attempts[1].pk],
        [attempts[2].pk],
        [],
    ]
