"""Who of the staff may press what: every page of the admin, walked by each.

A new page must be named here, or the first test fails.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import transaction
from django.test import Client
from django.urls import reverse

from books.models import AuditReport, Bill, Difference
from conftest import login, make_order, make_staff
from letters.models import Letter
from orders.models import Order
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.refunds import request_refund
from payments.tests.alipay_side import paid
from products.models import Category, Product
from users.models import User

pytestmark = pytest.mark.slow

NONE: set[str] = set()
OWNER, CASHIERS, CLERKS = {"owner"}, {"cashier", "owner"}, {"clerk", "owner"}
ALL = {"clerk", "cashier", "owner"}


def looked_at(by: set[str]) -> dict[str, tuple[set[str], set[str]]]:
    """The pages of a model that nobody edits: who may GET and who may POST each."""
    return {
        **dict.fromkeys(("changelist", "history"), (by, by)),
        **dict.fromkeys(("add", "delete"), (NONE, NONE)),
        "change": (by, NONE),
    }


def kept(by: set[str], *, deleted_by: set[str]) -> dict[str, tuple[set[str], set[str]]]:
    pages = dict.fromkeys(("changelist", "history", "add", "change"), (by, by))
    return {**pages, "delete": (deleted_by, deleted_by)}


def pressed(**buttons: set[str]) -> dict[str, tuple[set[str], set[str]]]:
    return {button: (by, by) for button, by in buttons.items()}


BUTTONS = {
    "orders_order": pressed(ask=CASHIERS, cancel=CASHIERS),
    "payments_payment": pressed(ask=CASHIERS, refund=CASHIERS),
    "payments_refund": pressed(approve=OWNER, decline=OWNER, retry=CASHIERS),
    "payments_notice": pressed(replay=OWNER),
    "letters_letter": pressed(again=ALL),
    "books_bill": pressed(again=CASHIERS),
    "books_difference": pressed(resolve=OWNER),
    "users_user": pressed(link=OWNER),
}
FILES = {"import": (CLERKS, CLERKS), "export": (CLERKS, CLERKS)}
PAGES = {
    "products_category": kept(CLERKS, deleted_by=OWNER),
    "products_product": kept(CLERKS, deleted_by=OWNER) | FILES,
    "products_stockmovement": looked_at(CLERKS) | {"export": (CLERKS, CLERKS)},
    "orders_order": looked_at(ALL) | BUTTONS["orders_order"] | {"export": (ALL, ALL)},
    "payments_payment": looked_at(ALL) | BUTTONS["payments_payment"],
    "payments_refund": looked_at(ALL) | BUTTONS["payments_refund"],
    "payments_notice": looked_at(ALL) | BUTTONS["payments_notice"],
    "letters_letter": looked_at(ALL) | BUTTONS["letters_letter"],
    "books_bill": looked_at(ALL) | BUTTONS["books_bill"] | {"raw": (ALL, ALL)},
    "books_difference": looked_at(ALL) | BUTTONS["books_difference"],
    "payments_journalentry": looked_at(OWNER) | {"export": (OWNER, OWNER)},
    "books_auditreport": looked_at(ALL),
    # Nobody is deleted: who leaves is made inactive.
    "users_user": kept(OWNER, deleted_by=NONE) | BUTTONS["users_user"],
    "auth_group": kept(OWNER, deleted_by=OWNER),
}
# They show no row: what is in them depends on what one may see.
DJANGOS_OWN = {
    "index",
    "login",
    "logout",
    "password_change",
    "password_change_done",
    "autocomplete",
    "jsi18n",
    "view_on_site",
    "app_list",
}
EACH = [(model, page) for model, pages in PAGES.items() for page in pages]
WHAT_THE_FORMS_ASK = {"amount": "1.00", "reason": "broken"}


def test_every_page_is_walked() -> None:
    names = {getattr(pattern, "name", None) for pattern in admin_patterns(admin.site.urls[0])}

    assert names - DJANGOS_OWN - {None} == {f"{model}_{page}" for model, page in EACH}


def admin_patterns(patterns: list[Any]) -> Iterator[Any]:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from admin_patterns(pattern.url_patterns)
        else:
            yield pattern


@pytest.fixture
def rows(alice: User, bob: User, operator: User, tea: Product, settings: Any) -> dict[str, Any]:
    """A row for each page; where a button stands on it, one for which it makes sense."""
    settings.REFUND_APPROVAL_AMOUNT = Decimal("5.00")
    User.objects.filter(pk=bob.pk).update(email="bob@example.com")
    unpaid = Payment.objects.attempt(make_order(alice, tea))
    bought = paid(make_order(alice, tea))
    waiting = request_refund(bought, amount=Decimal("6.00"), by=operator, reason="broken")
    failed = request_refund(bought, amount=Decimal("1.00"), by=operator)
    Refund.objects.filter(pk=failed.pk).update(status="FAILED")
    bill = Bill.objects.create(day=date(2026, 11, 21), status="MALFORMED", raw=b"oops")
    unknown = {"movement": "PAYMENT", "out_trade_no": "UNKNOWN"}
    return {
        "products_category": Category.objects.get(),
        "products_product": tea,
        "products_stockmovement": tea.movements.first(),
        "orders_order": unpaid.order,
        "payments_payment": bought,
        "payments_payment_ask": unpaid,
        "payments_refund": waiting,
        "payments_refund_retry": Refund.objects.get(pk=failed.pk),
        "payments_notice": Notice.objects.create(raw="a=b", verdict="REFUSED", reason="sign"),
        "letters_letter": letter_about(unpaid.order),
        "books_bill": bill,
        "books_difference": bill.differences.create(kind="ONLY_THERE", **unknown, seen_in=1),
        "payments_journalentry": bought.journal.get(),
        "books_auditreport": AuditReport.objects.create(count=0, seconds=0.1),
        "users_user": bob,
        "auth_group": Group.objects.create(name="porter"),
    }


def letter_about(order: Order) -> Letter:
    return Letter.objects.create(
        event=order.events.earliest("id"), kind="PLACED", to="alice@example.com", status="SENT"
    )


@pytest.fixture
def clients(alice: User) -> dict[str, Client]:
    staff = {role: login(make_staff(role)) for role in sorted(ALL)}
    return {"nobody": Client(), "shopper": login(alice), **staff}


def address_of(model: str, page: str, rows: dict[str, Any]) -> str:
    row = rows.get(f"{model}_{page}", rows[model])
    arguments = {"changelist": [], "add": [], "import": [], "export": ["xlsx"]}.get(page, [row.pk])
    return reverse(f"admin:{model}_{page}", args=arguments)


def everything() -> dict[str, list[Any]]:
    """Return every row of the shop's, and the staff's log."""
    labels = ("users", "products", "orders", "payments", "letters", "admin", "auth")
    models = [each for label in labels for each in apps.get_app_config(label).get_models()]
    return {
        each._meta.label: list(each._default_manager.order_by("pk").values()) for each in models
    }


@pytest.mark.parametrize(("model", "page"), EACH)
def test_who_may_look(
    rows: dict[str, Any], clients: dict[str, Client], model: str, page: str
) -> None:
    address, before = address_of(model, page, rows), everything()
    may, _ = PAGES[model][page]

    answers = {who: client.get(address) for who, client in clients.items()}

    assert {who: answer.status_code for who, answer in answers.items()} == {
        "nobody": 302,
        "shopper": 302,
        **{role: 200 if role in may else 403 for role in ALL},
    }
    assert answers["shopper"]["Location"].startswith("/admin/login/")
    assert everything() == before


@pytest.mark.parametrize(("model", "page"), EACH)
def test_who_may_press(
    rows: dict[str, Any], clients: dict[str, Client], model: str, page: str
) -> None:
    address, before = address_of(model, page, rows), everything()
    _, may = PAGES[model][page]
    is_button = page in BUTTONS.get(model, {})
    form = WHAT_THE_FORMS_ASK if is_button else {}
    answers = {}

    for who, client in clients.items():
        with transaction.atomic():
            answers[who] = client.post(address, form).status_code
            # An empty form of Django's is refused, a button is pressed.
            assert (everything() != before) == (is_button and who in may), who
            transaction.set_rollback(True)

    assert answers == {
        "nobody": 302,
        "shopper": 302,
        **{role: (302 if is_button else 200) if role in may else 403 for role in ALL},
    }


@pytest.mark.parametrize(("model", "buttons"), BUTTONS.items())
def test_each_sees_the_buttons_that_they_may_press(
    rows: dict[str, Any], clients: dict[str, Client], model: str, buttons: dict[str, Any]
) -> None:
    for page, (may, _) in buttons.items():
        row = rows.get(f"{model}_{page}", rows[model])
        change = reverse(f"admin:{model}_change", args=[row.pk])
        address = reverse(f"admin:{model}_{page}", args=[row.pk])

        shown = {role for role in ALL if address in clients[role].get(change).content.decode()}

        assert shown == may


def test_what_makes_no_sense_is_not_shown(rows: dict[str, Any], operators: Client) -> None:
    refund, payment = rows["payments_refund"], rows["payments_payment"]
    Refund.objects.update(status="DONE")
    Notice.objects.update(verdict="SETTLED")
    Letter.objects.update(status="WAITING")
    Difference.objects.update(status="MENDED")
    Order.objects.update(status="CANCELLED")
    User.objects.filter(pk=rows["users_user"].pk).update(is_active=False)

    pages = [
        operators.get(reverse(f"admin:{model}_change", args=[row.pk])).content.decode()
        for model, row in {**rows, "payments_payment": payment, "payments_refund": refund}.items()
        if model in BUTTONS
    ]

    shown = [
        f"{model}_{page}"
        for model, buttons in BUTTONS.items()
        for page in buttons
        if any(address_of(model, page, rows) in shown for shown in pages)
    ]
    # An attempt to pay a cancelled order is still open, a part of the payment is left, and any day
    # can be run again.
    assert shown == ["orders_order_ask", "payments_payment_refund", "books_bill_again"]
