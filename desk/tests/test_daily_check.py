"""The one line on top of the desk: good only when everything was asked, and nothing differs."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client

from books.models import AuditReport, Bill, Difference
from conftest import login, make_order
from core.admin import changelist, page
from desk.daily_check import DailyCheck
from orders.models import Order
from products.models import Product
from users.models import User

# Eleven in the morning in Beijing, of the ninth.
NOW = datetime(2026, 3, 9, 3, 0, tzinfo=UTC)
YESTERDAY = date(2026, 3, 8)


@pytest.fixture(autouse=True)
def _morning() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def audited(db: None) -> AuditReport:
    return AuditReport.objects.create(count=0, seconds=0.1, at=NOW - timedelta(hours=8))


@pytest.fixture
def bill(db: None) -> Bill:
    return Bill.objects.create(
        day=YESTERDAY,
        status=Bill.Status.READ,
        payments=2,
        paid=Decimal("29.70"),
        refunds=1,
        refunded=Decimal("9.90"),
    )


def difference_of(bill: Bill, **fields: Any) -> Difference:
    fields = {
        "kind": "ONLY_HERE",
        "movement": "PAYMENT",
        "out_trade_no": "1",
        "seen_in": 1,
    } | fields
    return Difference.objects.create(bill=bill, **fields)


def told(client: Client) -> DailyCheck:
    check = client.get("/admin/").context["desk"].daily_check
    assert isinstance(check, DailyCheck)
    return check


def test_yesterday_adds_up(operators: Client, bill: Bill, audited: AuditReport) -> None:
    check = told(operators)

    assert (check.tone, check.causes) == ("good", [])
    assert "¥29.70" in check.words
    assert "¥9.90" in check.words


def test_a_day_without_trade_adds_up(operators: Client, audited: AuditReport) -> None:
    Bill.objects.create(day=YESTERDAY, status=Bill.Status.EMPTY)

    assert told(operators).tone == "good"


def test_an_open_difference_of_any_day_is_told_and_led_to(
    operators: Client, bill: Bill, audited: AuditReport
) -> None:
    older = Bill.objects.create(day=YESTERDAY - timedelta(days=9), status=Bill.Status.READ)
    difference_of(older)
    difference_of(bill)
    difference_of(bill, out_trade_no="2", status="MENDED")
    difference_of(bill, out_trade_no="3", status="RESOLVED", resolution="known")

    check = told(operators)

    assert check.tone == "bad"
    [cause] = check.causes
    assert cause.words.startswith("2 ")
    assert operators.get(cause.address).context["cl"].result_count == 2


def test_the_last_resolution_makes_it_good(
    operators: Client, operator: User, bill: Bill, audited: AuditReport
) -> None:
    difference = difference_of(bill)
    assert told(operators).tone == "bad"

    difference.resolve(reason="known", by=operator)

    assert told(operators).tone == "good"


@pytest.mark.parametrize(
    ("status", "tone"), [("READ", "good"), ("WAITING", "unknown"), ("MALFORMED", "bad")]
)
@pytest.mark.parametrize("days", [0, 5])
def test_a_bill_that_was_not_read_is_told_until_it_is(
    operators: Client, bill: Bill, audited: AuditReport, status: str, tone: str, days: int
) -> None:
    other = YESTERDAY - timedelta(days=days)
    Bill.objects.update_or_create(day=other, defaults={"status": status})

    check = told(operators)

    assert check.tone == tone
    for cause in check.causes:
        assert operators.get(cause.address).context["cl"].result_count == 1


def test_the_first_day_of_a_shop_has_no_yesterday_to_wait_for(
    operators: Client, audited: AuditReport, alice: User, tea: Product
) -> None:
    make_order(alice, tea)
    first = told(operators)
    Order.objects.update(created_at=NOW - timedelta(days=1))

    assert (first.tone, first.words) == ("good", "没有收款，也没有退款。")
    assert told(operators).tone == "unknown"


def test_nothing_is_said_before_the_bill_comes(
    operators: Client, audited: AuditReport, alice: User, tea: Product
) -> None:
    make_order(alice, tea)
    Order.objects.update(created_at=NOW - timedelta(days=1))
    Bill.objects.create(day=YESTERDAY - timedelta(days=1), status=Bill.Status.READ)
    # Today's is expected tomorrow.
    Bill.objects.create(day=YESTERDAY + timedelta(days=1), status=Bill.Status.READ)

    check = told(operators)

    assert check.tone == "unknown"
    assert [cause.address for cause in check.causes] == [changelist(Bill)]


def test_the_last_audit_counts(operators: Client, bill: Bill, audited: AuditReport) -> None:
    finding = {"check": "stock", "row": "Product 7 (<b>tea</b>)"}
    report = AuditReport.objects.create(count=1, findings=[finding], seconds=0.1)

    check = told(operators)

    assert check.tone == "bad"
    assert [cause.address for cause in check.causes] == [page(report)]
    shown = operators.get(page(report)).content.decode()
    assert "Product 7 (&lt;b&gt;tea&lt;/b&gt;)" in shown


def test_a_night_without_audit_is_told(operators: Client, bill: Bill) -> None:
    assert told(operators).tone == "unknown"

    AuditReport.objects.create(count=0, seconds=0.1, at=NOW - timedelta(days=2))

    assert told(operators).tone == "unknown"


def test_who_may_not_see_the_bills_is_told_nothing(bill: Bill, audited: AuditReport) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    names = ["view_difference", "view_auditreport"]
    clerk.user_permissions.set(Permission.objects.filter(codename__in=names))
    assert login(clerk).get("/admin/").context["desk"].daily_check is None

    clerk.user_permissions.add(Permission.objects.get(codename="view_bill"))

    assert told(login(clerk)).tone == "good"
