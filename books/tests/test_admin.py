"""Bills and differences in the admin: seen, run again, resolved with a reason."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from books.models import Bill, Difference
from users.models import User

DAY = date(2026, 11, 21)


@pytest.fixture
def bill(db: None) -> Bill:
    return Bill.objects.create(day=DAY, status="READ", payments=2, paid="19.80", tries=7)


@pytest.fixture
def difference(bill: Bill) -> Difference:
    return Difference.objects.create(
        bill=bill,
        kind="ONLY_THERE",
        movement="PAYMENT",
        out_trade_no="FOREIGN",
        their_amount=Decimal("3.00"),
        their_status="交易",
        seen_in=1,
    )


def page(row: Any, *rest: str) -> str:
    return "/".join(["/admin/books", row._meta.model_name, str(row.pk), *rest, ""])


def test_bills_lead_to_their_open_differences(
    operators: Client, bill: Bill, difference: Difference
) -> None:
    response = operators.get("/admin/books/bill/")
    address = f"/admin/books/difference/?bill__id__exact={bill.pk}&amp;status__exact=OPEN".encode()

    assert address in response.content
    assert address in operators.get(page(bill, "change")).content
    shown = operators.get(address.decode().replace("&amp;", "&"))
    assert b"FOREIGN" in shown.content


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("model", ["bill", "difference"])
def test_lists_ask_the_database_as_often_for_many_rows(
    operators: Client,
    difference: Difference,
    django_assert_max_num_queries: Any,
    model: str,
    count: int,
) -> None:
    for number in range(1, count):
        difference.pk, difference.out_trade_no = None, f"F{number}"
        difference.bill = Bill.objects.create(day=date(2026, 11, number))
        difference.save(force_insert=True)

    with django_assert_max_num_queries(11):
        response = operators.get(f"/admin/books/{model}/")

    assert response.context["cl"].result_count == count


def test_a_difference_is_resolved_with_a_reason(
    operators: Client, operator: User, difference: Difference
) -> None:
    assert page(difference, "resolve") in operators.get(page(difference, "change")).content.decode()
    assert b"3.00" in operators.get(page(difference, "resolve")).content

    response = operators.post(page(difference, "resolve"), {"reason": "our other shop"})

    difference.refresh_from_db()
    assert response["Location"] == page(difference, "change")
    assert (difference.status, difference.resolution, difference.resolved_by) == (
        "RESOLVED",
        "our other shop",
        operator,
    )
    assert difference.resolved_at is not None
    assert LogEntry.objects.get().change_message == "resolve: reason our other shop"


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
def test_a_difference_is_not_resolved_without_a_reason(
    operators: Client, difference: Difference, reason: str
) -> None:
    response = operators.post(page(difference, "resolve"), {"reason": reason})

    difference.refresh_from_db()
    assert (response.status_code, difference.status) == (200, "OPEN")
    assert response.context["form"].errors


def test_what_is_no_longer_open_is_not_resolved(operators: Client, difference: Difference) -> None:
    Difference.objects.update(status="MENDED", resolved_at=timezone.now())

    operators.post(page(difference, "resolve"), {"reason": "late"})

    difference.refresh_from_db()
    assert (difference.status, difference.resolution) == ("MENDED", "")
    assert LogEntry.objects.get().change_message == "resolve: refused, difference-not-open"


def test_a_day_is_run_again(operators: Client, bill: Bill) -> None:
    assert page(bill, "again") in operators.get(page(bill, "change")).content.decode()
    assert operators.get(page(bill, "again")).status_code == 200
    assert Bill.objects.get().due_at is None  # to look is not to ask

    response = operators.post(page(bill, "again"))

    bill.refresh_from_db()
    assert response["Location"] == page(bill, "change")
    assert bill.due_at is not None
    assert (bill.tries, LogEntry.objects.get().change_message) == (0, "again")


def test_a_malformed_bill_can_be_downloaded(operators: Client, bill: Bill) -> None:
    bill.mark_malformed("not a zip", raw=b"\x00<script>")
    assert page(bill, "raw") in operators.get(page(bill, "change")).content.decode()

    response = operators.get(page(bill, "raw"))

    assert (response.content, response["Content-Type"]) == (
        b"\x00<script>",
        "application/octet-stream",
    )
    assert response["Content-Disposition"] == 'attachment; filename="bill-2026-11-21.bin"'


def test_only_who_sees_bills_downloads_one(bill: Bill, bobs: Client, bob: User) -> None:
    bill.mark_malformed("not a zip", raw=b"\x00")

    assert bobs.get(page(bill, "raw")).status_code == 302
    bob.is_staff = True
    bob.save()
    assert bobs.get(page(bill, "raw")).status_code == 403


def test_nothing_was_kept_of_a_good_bill(operators: Client, bill: Bill) -> None:
    assert operators.get(page(bill, "raw")).status_code == 404
