"""What is a record never changes: neither by the models, nor by raw SQL."""

from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction

from conftest import make_order
from core.append_only import AppendOnly, NeverChanges
from orders.models import Event, Order
from payments.journal import JournalEntry
from payments.models.payment import Payment
from payments.tests.alipay_side import paid
from products.models import Product, StockMovement
from users.models import User

RECORDS = [model for model in apps.get_models() if issubclass(model, AppendOnly)]


@pytest.fixture
def records(alice: User, tea: Product) -> None:
    """One purchase, paid: each kind of record has rows."""
    paid(make_order(alice, tea))


def test_the_shop_keeps_these_records() -> None:
    assert {StockMovement, Event, JournalEntry} <= set(RECORDS)


@pytest.mark.parametrize("model", [StockMovement, Event, JournalEntry])
def test_a_model_refuses_to_change_or_delete(records: None, model: Any) -> None:
    row = model.objects.first()

    for change in (
        row.save,
        row.delete,
        model.objects.all().delete,
        lambda: model.objects.update(at=row.at),
        lambda: model.objects.bulk_update([row], ["at"]),
    ):
        with pytest.raises(NeverChanges):
            change()


@pytest.mark.parametrize("model", [StockMovement, Event, JournalEntry])
@pytest.mark.parametrize("sql", ["UPDATE {} SET at = at", "DELETE FROM {}"])
def test_the_database_refuses_to_change_or_delete(records: None, model: Any, sql: str) -> None:
    rows = model.objects.count()
    assert rows

    with pytest.raises(DatabaseError, match="only ever added"), transaction.atomic():
        connection.cursor().execute(sql.format(model._meta.db_table))

    assert model.objects.count() == rows


@pytest.mark.parametrize("model", [StockMovement, Event, JournalEntry])
def test_the_database_refuses_to_replace_or_throw_away(records: None, model: Any) -> None:
    table, rows = model._meta.db_table, list(model.objects.values())
    names = [column.column for column in model._meta.local_fields]
    by_unique_key = [name if name != "id" else "NULL" for name in names]
    changes = {
        "postgresql": [f"TRUNCATE {table} CASCADE"],
        "sqlite": [f"REPLACE INTO {table} ({', '.join(names)}) SELECT * FROM {table}"],
    }
    if model is JournalEntry:
        replaced = f"REPLACE INTO {table} SELECT {', '.join(by_unique_key)} FROM {table}"
        changes["sqlite"].append(replaced)

    connection.check_constraints()  # PostgreSQL truncates nothing while some are to be checked
    for change in changes[connection.vendor]:
        with pytest.raises(DatabaseError, match="only ever added"), transaction.atomic():
            connection.cursor().execute(change)

    assert list(model.objects.values()) == rows


def test_stock_is_the_sum_of_its_movements(alice: User, bob: User, tea: Product) -> None:
    make_order(alice, tea, quantity=3)
    make_order(bob, tea, quantity=2).cancel(by=bob)
    Product.correct(tea.pk, difference=-1, reason="one broke", by=bob)
    assert not Product.correct(tea.pk, difference=-7, reason="too many", by=bob)

    moved = [(row.cause, row.quantity) for row in tea.movements.order_by("id")]

    assert moved == [
        ("OPENING", 10),
        ("ORDER", -3),
        ("ORDER", -2),
        ("CANCEL", 2),
        ("CORRECTION", -1),
    ]
    assert Product.objects.get().stock == 6


def test_the_history_tells_what_happened(alice: User, tea: Product) -> None:
    order = make_order(alice, tea)
    payment = paid(order)

    told = [(event.what, event.about, event.by) for event in order.events.all()]

    assert told == [
        ("PLACED", "", alice),
        ("ATTEMPT_OPENED", order.order_id, alice),
        ("PAID", payment.trade_no, None),
    ]
    assert Order.objects.get().status == "PAID"
    assert Payment.objects.get().status == "PAID"
