"""What belongs together is written together: when the second half breaks, there is no first."""

from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry

from conftest import make_order, make_product
from core.spreadsheets import Line
from orders.models import Order, OrderItem
from payments import alipay, journal, notify, refunds
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.models.refund import RefundQuerySet
from payments.refunds import request_refund
from payments.tests.alipay_side import TRADE_NO, notice, paid
from products import imports
from products.models import Product, StockMovement
from users.models import User

FIVE = Decimal("5.00")


class Broken(Exception):
    """The second half did not come to its end."""


@pytest.fixture
def shop(transactional_db: None, settings: Any) -> SimpleNamespace:
    settings.REFUND_APPROVAL_AMOUNT = Decimal("10.00")
    alice = User.objects.create_user("alice", email="alice@shop.example")
    by = User.objects.create_superuser("operator")
    second = User.objects.create_superuser("second")
    tea, cup = make_product(price="99.00", stock=100), make_product("cup")
    unpaid = make_order(alice, tea)
    cancelled = make_order(alice, tea)
    late = Payment.objects.attempt(cancelled)
    cancelled.cancel(by=alice)
    payment = paid(make_order(alice, tea))
    requested = request_refund(payment, amount=FIVE, by=by, restocks=True)
    failed = request_refund(payment, amount=FIVE, by=by)
    failed.mark_failed("ACQ.NO")
    waiting = request_refund(payment, amount=Decimal("20.00"), by=by)
    attempt = Payment.objects.attempt(unpaid)
    stored = Notice.objects.create(raw="sign=")
    line = Line(2, {"id": str(tea.pk), "price": "1.00"})
    return SimpleNamespace(
        alice=alice,
        by=by,
        second=second,
        tea=tea,
        cup=cup,
        unpaid=unpaid,
        late=late,
        payment=payment,
        requested=requested,
        failed=failed,
        waiting=waiting,
        attempt=attempt,
        stored=stored,
        draft=imports.keep([line], name="tea.csv", by=by),
    )


# What is done, what breaks in the middle of it.
STORIES: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "an order and its lines": (
        OrderItem.objects,
        "bulk_create",
        lambda shop: make_order(shop.alice, shop.tea),
    ),
    "an order and its history": (Order, "record", lambda shop: make_order(shop.alice, shop.tea)),
    "a line and the total": (
        Order,
        "add_up",
        lambda shop: OrderItem.objects.create(order=shop.unpaid, product=shop.cup, quantity=1),
    ),
    "cancel and its stock": (Product, "release", lambda shop: shop.unpaid.cancel(by=shop.alice)),
    "back and its movement": (
        StockMovement,
        "save",
        lambda shop: shop.unpaid.restock(StockMovement.Cause.CANCEL),
    ),
    "a product and its first stock": (StockMovement, "save", lambda shop: make_product("pot")),
    "a correction and its movement": (
        StockMovement,
        "save",
        lambda shop: Product.correct(shop.tea.pk, difference=1, reason="counted", by=shop.by),
    ),
    "paid and its history": (
        Order,
        "record",
        lambda shop: shop.unpaid.mark_paid(
            payment_method="alipay", transaction_id="1", paid_at=shop.unpaid.created_at
        ),
    ),
    "refunded and its history": (
        Order,
        "record",
        lambda shop: shop.payment.order.mark_refunded(),
    ),
    "an attempt and its history": (
        Order,
        "record",
        lambda shop: Payment.objects.attempt(shop.unpaid, kind="qr"),
    ),
    "settled and the order": (
        Order,
        "mark_paid",
        lambda shop: shop.attempt.settle(other_trade(shop.attempt)),
    ),
    "settled and the journal": (
        journal,
        "book",
        lambda shop: shop.attempt.settle(other_trade(shop.attempt)),
    ),
    "late money and its refund": (
        RefundQuerySet,
        "of_late_money_of",
        lambda shop: shop.late.settle(other_trade(shop.late)),
    ),
    "closed and its history": (Order, "record", lambda shop: shop.attempt.close()),
    "a verdict and its history": (
        Order,
        "record",
        lambda shop: shop.stored.record_verdict("CLOSED", payment=shop.attempt),
    ),
    "settled and the verdict": (
        Notice,
        "record_verdict",
        lambda shop: act_upon(shop.stored, notice(shop.attempt, trade_no="2")),
    ),
    "closed and the verdict": (
        Notice,
        "record_verdict",
        lambda shop: act_upon(shop.stored, notice(shop.attempt, trade_status="TRADE_CLOSED")),
    ),
    "a refund and its history": (
        Order,
        "record",
        lambda shop: request_refund(shop.payment, amount=FIVE, by=shop.by),
    ),
    "approved and its history": (
        Order,
        "record",
        lambda shop: refunds.approve(shop.waiting, by=shop.second),
    ),
    "declined and its history": (
        Order,
        "record",
        lambda shop: refunds.decline(shop.waiting, by=shop.second, reason="no"),
    ),
    "tried again and its history": (
        Order,
        "record",
        lambda shop: refunds.retry(shop.failed, by=shop.by),
    ),
    "done and the journal": (journal, "book", lambda shop: shop.requested.mark_done()),
    "done and the payment": (Payment, "refunded", lambda shop: shop.requested.mark_done()),
    "done and the goods": (Product, "release", lambda shop: shop.requested.mark_done()),
    "failed and its history": (Order, "record", lambda shop: shop.requested.mark_failed("ACQ.NO")),
    "unclear and its history": (Order, "record", lambda shop: shop.requested.note("unknown")),
    "an import and its log": (
        LogEntry.objects,
        "log_actions",
        lambda shop: imports.carry_out(shop.draft.pk, by=shop.by),
    ),
}


def other_trade(payment: Payment) -> alipay.Trade:
    return alipay.read_trade(notice(payment, trade_no=f"{TRADE_NO}2"))


def act_upon(stored: Notice, fields: dict[str, str]) -> str:
    return notify.act_upon(stored, fields, by=None)


def everything() -> dict[str, Any]:
    """Every row of the rooms in which money and stock are."""
    return {
        model.__name__: list(model._base_manager.order_by("pk").values())
        for room in ("products", "orders", "payments")
        for model in apps.get_app_config(room).get_models()
    }


@pytest.mark.parametrize("story", STORIES)
def test_both_halves_are_written_or_none(
    shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, story: str
) -> None:
    owner, second_half, act = STORIES[story]
    before = everything()

    def breaks(*args: Any, **kwargs: Any) -> Any:
        raise Broken

    monkeypatch.setattr(owner, second_half, breaks)
    with pytest.raises(Broken):
        act(shop)

    assert everything() == before
