"""The desk tells no number that is not the count of the list to which it leads."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conftest import login, make_order, make_product
from core.models import Tick
from desk.first_page import Desk
from orders.models import Order
from payments import journal
from payments.alipay import Trade
from payments.models.payment import Payment
from payments.models.refund import Refund, late_money
from products.models import Product
from users.models import User

# Ten in the morning in Beijing: yesterday was on until two hours before midnight in London.
NOW = datetime(2026, 3, 9, 2, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def _morning() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def ago(time: timedelta) -> time_machine.travel:
    return time_machine.travel(NOW - time, tick=False)


def paid_order(user: User, product: Product, *, quantity: int = 1, late: bool = False) -> Payment:
    """Return the payment of an order; a late one came when the order was cancelled already."""
    order = make_order(user, product, quantity=quantity)
    payment = Payment.objects.attempt(order)
    if late:
        order.cancel()
    payment.settle(
        Trade(
            out_trade_no=payment.out_trade_no,
            trade_no=f"2026{payment.pk:024}",
            trade_status="TRADE_SUCCESS",
            total_amount=payment.amount,
            gmt_payment=timezone.now(),
        )
    )
    payment.refresh_from_db()
    return payment


def refund_of(payment: Payment, **fields: Any) -> Refund:
    fields = {"amount": payment.amount, "cause": "OPERATOR", "out_request_no": "r1"} | fields
    return Refund.objects.create(payment=payment, **fields)


def busy_shop(alice: User, operator: User) -> dict[str, int]:
    """Let all happen that the desk counts; return what it should say, by the lists' names."""
    tea = make_product(stock=900)
    make_product("gone", stock=0)
    make_product("few", stock=5)
    make_product("enough", stock=6)
    make_product("few, and not for sale", stock=1, is_on_sale=False)
    # Yesterday's last minute in Beijing, and today's first.
    with ago(10 * HOUR + timedelta(minutes=1)):
        Order.objects.filter(pk=make_order(alice, tea).pk).update(status="CANCELLED")
        refund_of(paid_order(alice, tea), status="DONE", done_at=timezone.now())
    with ago(10 * HOUR):
        waiting = make_order(alice, tea)
        Payment.objects.attempt(waiting)
        first = paid_order(alice, tea, quantity=2)
    second, third = paid_order(alice, tea), paid_order(alice, tea, quantity=3)
    refund_of(first, status="DONE", amount=Decimal("1.00"), done_at=timezone.now())
    refund_of(first, status="WAITING", out_request_no="r2", requested_by=operator)
    refund_of(second, status="FAILED")
    refund_of(third, status="FAILED")
    refund_of(third, status="DONE", out_request_no="r2", done_at=timezone.now())
    Payment.objects.filter(pk=third.pk).update(status="REFUNDED")
    refund_of(second, status="UNKNOWN", out_request_no="r2", unclear_since=NOW - HOUR)
    refund_of(second, status="UNKNOWN", out_request_no="r3", unclear_since=NOW, due_at=NOW)
    late, back = (paid_order(alice, tea, late=True) for _number in range(2))
    late.refunds.update(due_at=NOW + HOUR)
    back.refunds.get().mark_done()
    Payment.objects.filter(order=waiting).update(due_at=NOW - HOUR, unclear_since=NOW - 2 * HOUR)
    return {
        "orders placed": 6,
        "orders paid": 3,
        "orders waiting": 1,
        "refunds done": 2,
        "refunds to approve": 1,
        "refunds failed": 1,
        "refunds unclear": 1,
        "payments unclear": 1,
        "late money": 1,
        "products low": 2,
        "payments due": 1,
        "refunds due": 1,
    }


def desk_of(client: Client) -> Desk:
    desk = client.get("/admin/").context["desk"]
    assert isinstance(desk, Desk)
    return desk


def test_every_number_is_the_count_of_its_list(
    alice: User, operator: User, operators: Client
) -> None:
    expected = busy_shop(alice, operator)

    desk = desk_of(operators)

    assert desk.stock
    assert desk.worker
    numbers = [*desk.today, *desk.to_do, desk.stock.number, *desk.worker.due]
    assert [number.count for number in numbers] == list(expected.values())
    for number in numbers:
        listed = operators.get(number.address).context["cl"]
        assert (number.label, listed.result_count) == (number.label, number.count)


def test_every_sum_is_that_of_its_list(alice: User, operator: User, operators: Client) -> None:
    busy_shop(alice, operator)

    desk = desk_of(operators)

    summed = [number for number in [*desk.today, *desk.to_do] if number.amount is not None]
    assert len(summed) == 7
    for number in summed:
        rows = operators.get(number.address).context["cl"].queryset
        amounts = [getattr(row, "total_price", None) or row.amount for row in rows]
        assert (number.label, sum(amounts)) == (number.label, number.amount)


def test_every_day_of_the_table_leads_to_its_rows(
    alice: User, operator: User, operators: Client
) -> None:
    busy_shop(alice, operator)

    *_before, yesterday, today = desk_of(operators).days

    assert (yesterday.orders, yesterday.converted, yesterday.paid) == (2, 1, 1)
    assert (yesterday.revenue, yesterday.refunds) == (Decimal("9.90"), 1)
    assert (today.orders, today.converted, today.paid) == (6, 3, 3)
    assert (today.revenue, today.conversion) == (Decimal("59.40"), 50)
    for day in (yesterday, today):
        for address, count in (
            (day.placed_rows, day.orders),
            (day.paid_rows, day.paid),
            (day.refunded_rows, day.refunds),
        ):
            assert operators.get(address).context["cl"].result_count == count


def test_late_money_is_what_the_journal_says(alice: User, operator: User) -> None:
    busy_shop(alice, operator)

    late = late_money(Payment.objects.all())
    owed = -journal.balance(journal.Account.LATE_MONEY)
    assert owed == sum(payment.amount for payment in late) == Decimal("9.90")


@pytest.mark.parametrize("times", [1, 4])
def test_the_desk_asks_as_often_for_one_row_as_for_many(
    alice: User, operator: User, operators: Client, times: int
) -> None:
    for _number in range(times):
        busy_shop(alice, operator)
        Product.objects.update(name="other")
    operators.get("/admin/")  # content types are kept

    with CaptureQueriesContext(connection) as asked:
        operators.get("/admin/")

    assert len(asked) == 22  # 21 when yesterday's bill is there


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite tells its plan without data")
def test_the_desk_reads_no_table_of_money_from_end_to_end(
    alice: User, operator: User, operators: Client
) -> None:
    busy_shop(alice, operator)
    with CaptureQueriesContext(connection) as asked:
        operators.get("/admin/")

    plans = []
    with connection.cursor() as cursor:
        for statement in asked.captured_queries:
            cursor.execute("EXPLAIN QUERY PLAN " + statement["sql"])
            plans += [step[3] for step in cursor.fetchall()]

    tables = ("orders_order", "payments_payment", "payments_refund")
    assert [
        step for step in plans if step.startswith(tuple(f"SCAN {name}" for name in tables))
    ] == []
    assert [step for step in plans if step.startswith("SEARCH orders_order USING INDEX")] != []


def staff(*names: str) -> Client:
    person = User.objects.create_user("clerk", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=names))
    return login(person)


@pytest.mark.parametrize(
    ("names", "today", "to_do", "drawn", "stock"),
    [
        ([], [], 0, [], False),
        (["view_product"], [], 0, [], True),
        (["view_order"], [6, 3, 1], 0, ["orders", "conversion"], False),
        (["view_refund"], [2], 3, [], False),
        (["view_payment"], [], 2, [], False),
        (
            ["view_order", "view_refund", "view_payment"],
            [6, 3, 1, 2],
            5,
            ["revenue", "orders", "conversion", "refunds"],
            False,
        ),
    ],
)
def test_each_sees_the_panels_of_their_lists(
    alice: User,
    operator: User,
    names: list[str],
    today: list[int],
    to_do: int,
    drawn: list[str],
    stock: bool,
) -> None:
    busy_shop(alice, operator)

    clerks = staff(*names)
    desk = desk_of(clerks)

    assert [number.count for number in desk.today] == today
    assert len(desk.to_do) == to_do
    assert [chart.name for chart in desk.charts] == drawn
    assert bool(desk.stock) == stock
    for number in [*desk.today, *desk.to_do]:
        assert clerks.get(number.address).status_code == 200
    page = clerks.get("/admin/").content.decode()
    assert ("¥" in page) == ("view_payment" in names)


def test_a_late_worker_is_named(operators: Client) -> None:
    def is_late() -> bool:
        worker = desk_of(operators).worker
        assert worker
        return worker.is_late

    assert is_late()

    Tick.now()
    assert not is_late()

    Tick.objects.update(at=NOW - timedelta(minutes=4))
    assert is_late()


def test_the_desk_of_a_new_shop_is_drawn(operators: Client) -> None:
    desk = desk_of(operators)

    assert not desk.is_anything_to_do
    assert [chart.total for chart in desk.charts] == ["¥0.00", "0", "–", "¥0.00"]
    assert all(bar.height == 0 for chart in desk.charts for bar in chart.bars)


def test_a_name_that_is_no_concern_is_no_filter(alice: User, operators: Client) -> None:
    paid_order(alice, make_product())

    listed = operators.get("/admin/payments/payment/?concern=delete").context["cl"]

    assert listed.result_count == 1
