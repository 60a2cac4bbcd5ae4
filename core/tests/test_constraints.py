"""What the database itself refuses, whoever writes: each constraint is there, and refuses."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.models import Model

from books.models import Bill, Difference
from conftest import make_order, make_product
from core.money import LARGEST, SMALLEST
from letters.models import Letter
from letters.post import write_letters
from orders.models import Order, OrderItem
from payments.journal import JournalEntry
from payments.models.one_person import OnePersonShop
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.refunds import request_refund
from payments.tests.alipay_side import TRADE_NO, paid
from products.models import Category, Product, StockMovement
from users.models import User

ROOMS = {"users", "products", "orders", "payments", "books", "letters"}
FEN = Decimal("0.01")
NONE = Decimal("0.00")

# Those that come with a field and have no name of their own.
OF_FIELDS = {
    "User.username",
    "Category.name",
    "Category.slug",
    "Category.position",
    "Product.stock",
    "Order.order_id",
    "OrderItem.quantity",
    "Payment.out_trade_no",
    "Payment.tries",
    "Refund.tries",
    "Letter.number",
    "Letter.copy",
    "Letter.tries",
    "Bill.day",
    "Bill.tries",
    "Bill.runs",
    "Bill.payments",
    "Bill.refunds",
    "Difference.seen_in",
    "AuditReport.count",
    "OnePersonShop.id",
}

# A constraint, a row to be written again, what makes it another row, what is refused of it, and
# what is taken: beside it, and no further away than it can be.
CASES: list[tuple[str, type[Model], dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("product_price_bounds", Product, {}, {"price": SMALLEST - FEN}, {"price": SMALLEST}),
    ("product_price_bounds", Product, {}, {"price": LARGEST + FEN}, {"price": LARGEST}),
    ("product_stock_not_negative", Product, {}, {"stock": -1}, {"stock": 0}),
    ("stock_movement_moves", StockMovement, {}, {"quantity": 0}, {"quantity": -1}),
    ("order_status_known", Order, {"order_id": "2"}, {"status": "STOLEN"}, {"status": "UNPAID"}),
    ("order_total_bounds", Order, {"order_id": "2"}, {"total_price": -FEN}, {"total_price": NONE}),
    ("order_item_once_a_product", OrderItem, {}, {}, {"product_id": "other"}),
    *(
        ("order_item_quantity_bounds", OrderItem, {"product_id": "other"}, refused, taken)
        for refused, taken in [
            ({"quantity": 0}, {"quantity": 1}),
            ({"quantity": 1000}, {"quantity": 999}),
        ]
    ),
    (
        "order_item_price_bounds",
        OrderItem,
        {"product_id": "other"},
        {"price_at_purchase": NONE},
        {"price_at_purchase": FEN},
    ),
    (
        "payment_amount_bounds",
        Payment,
        {"out_trade_no": "2", "trade_no": "2"},
        {"amount": NONE},
        {"amount": FEN},
    ),
    (
        "payment_trade_no_once",
        Payment,
        {"out_trade_no": "2"},
        {"trade_no": TRADE_NO},
        {"trade_no": "2"},
    ),
    ("refund_amount_bounds", Refund, {"out_request_no": "2"}, {"amount": NONE}, {"amount": FEN}),
    ("refund_once", Refund, {}, {}, {"out_request_no": "2"}),
    ("journal_amount_bounds", JournalEntry, {"what": "FEE"}, {"amount": NONE}, {"amount": FEN}),
    (
        "journal_two_accounts",
        JournalEntry,
        {"what": "FEE"},
        {"debit": "FEES", "credit": "FEES"},
        {"debit": "FEES", "credit": "ALIPAY"},
    ),
    ("journal_once_a_payment", JournalEntry, {"refund_id": None}, {"what": "SALE"}, {"what": "X"}),
    ("journal_once_a_refund", JournalEntry, {}, {"what": "REFUND"}, {"what": "X"}),
    ("difference_once", Difference, {}, {}, {"out_request_no": "2"}),
    (
        "difference_has_a_reason",
        Difference,
        {"out_request_no": "2", "status": "RESOLVED"},
        {"resolution": ""},
        {"resolution": "told by telephone"},
    ),
    ("letter_once", Letter, {"number": uuid4()}, {"copy": 1}, {"copy": 2}),
]


@pytest.fixture
def other(alice: User, operator: User, tea: Product) -> Product:
    """One row of everything, and a product that nobody bought."""
    User.objects.filter(pk=alice.pk).update(email="alice@shop.example")
    payment = paid(make_order(alice, tea))
    request_refund(payment, amount=FEN, by=operator).mark_done()
    write_letters()
    bill = Bill.objects.create(day="2026-11-22")
    Difference.objects.create(bill=bill, kind="AMOUNT", seen_in=1)
    return make_product("cup")


def write_again(model: Any, changes: dict[str, Any]) -> None:
    """Write the newest row once more, past the model's own rules."""
    row = model._base_manager.latest("id")
    row.pk = None
    for name, value in changes.items():
        setattr(row, name, value)
    with transaction.atomic():
        model._base_manager.bulk_create([row])


@pytest.mark.parametrize(
    ("name", "model", "another", "refused", "taken"),
    CASES,
    ids=[f"{number}-{case[0]}" for number, case in enumerate(CASES)],
)
def test_the_database_refuses_just_what_it_must(
    other: Product, name: str, model: Any, another: Any, refused: Any, taken: Any
) -> None:
    def row(changes: dict[str, Any]) -> dict[str, Any]:
        return {
            field: other.pk if value == "other" else value
            for field, value in {**another, **changes}.items()
        }

    with pytest.raises(IntegrityError):
        write_again(model, row(refused))

    write_again(model, row(taken))


def test_payments_without_a_trade_are_many(other: Product) -> None:
    for number in ("2", "3"):
        write_again(Payment, {"out_trade_no": number, "trade_no": ""})


def test_each_category_name_and_slug_is_there_once(other: Product) -> None:
    for name, slug in [("茶 Tea", "other"), ("other", "tea")]:
        with pytest.raises(IntegrityError):
            write_again(Category, {"name": name, "slug": slug})

    write_again(Category, {"name": "other", "slug": "other"})


def test_a_shop_is_of_one_person_since_one_day(db: None) -> None:
    OnePersonShop.objects.create()

    with pytest.raises(IntegrityError), transaction.atomic():
        OnePersonShop.objects.create(id=2)


def test_the_migrations_made_these_constraints_and_no_others(db: None) -> None:
    """As the database tells them: whoever adds one, or takes one away, says so here."""
    found = set()
    with connection.cursor() as cursor:
        for model in (model for room in ROOMS for model in apps.get_app_config(room).get_models()):
            table = model._meta.db_table
            for name, told in connection.introspection.get_constraints(cursor, table).items():
                if told["primary_key"] or not (told["check"] or told["unique"]):
                    continue
                if not name.startswith(("__unnamed", table)):
                    found.add(name)
                elif not is_of_json(told["columns"]):
                    found.add(f"{model.__name__}.{told['columns'][0]}")

    assert found == OF_FIELDS | {case[0] for case in CASES} | {"one_person_shop_once"}


def is_of_json(columns: list[str]) -> bool:
    """Whether it is SQLite's own way to have a JSON field."""
    return columns[0] in ("findings", "rows")
