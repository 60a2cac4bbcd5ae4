"""Markup in every text of the shop's database; it runs inside the shop, beside it.

Whatever a form, a spreadsheet or a notice lets through is here taken as let through: each text
field of each model holds markup, with a mark of its own by which it is known wherever it is shown.
A new field is filled without being named here; a new model needs a row in `rows()`.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from itertools import product as combinations
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import CharField, JSONField, Model, TextField
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from books.models import ADVICE, AuditReport, Bill, Difference
from core.spreadsheets import KINDS
from letters import post
from letters.models import Letter
from orders.models import Event, Order, OrderItem, OrderStatus
from payments.journal import JournalEntry
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.models.refund import Refund
from products.models import Category, Product, StockMovement
from users.models import User

PASSWORD = "longjing-2026"
OURS = "/static/core/theme.js"  # a file that the policy would let run by its address

# From the longest to the shortest: each field gets the longest that it can hold.
MARKUP = (
    "{mark}'\"><script src='" + OURS + "' data-injected></script><form data-injected "
    "hx-post='/injected/{mark}' hx-trigger='load'></form><img data-injected "
    "src='/injected/{mark}' onerror='document.title=1'>",
    "{mark}'\"><b data-injected hx-get='/injected/{mark}' hx-trigger='load'>",
    "{mark}'\"><b data-injected hx-get=/injected>",
    "{mark}'\"><xss>",
)

# Pages of the admin that look the same whatever state a row is in.
ALIKE = ("_history", "_delete")

# Texts that nobody outside of the shop's code writes, and texts that are on no page.
OUR_OWN = {
    "auth.Permission": "the code's",
    "contenttypes.ContentType": "the code's",
    "sessions.Session": "random, and signed",
    "users.User.password": "a hash",
    "products.Product.picture": "a path that the shop makes",
    "orders.Order.order_id": "random",
    "payments.Payment.out_trade_no": "made of the order's",
    "payments.Payment.qr_code": "shown as a picture",
    "payments.Refund.out_request_no": "made of the payment's, or a number of Alipay's console",
    "books.Bill.raw": "a download",
    "products.ImportDraft": "on no page: what was read is shown before it is kept",
    "admin.LogEntry.object_id": "a row's id",
    "axes": "on no page",
}


class Marks:
    """Which mark stands in which field."""

    def __init__(self) -> None:
        self.of: dict[str, str] = {}

    def text(self, field: str, length: int | None) -> str:
        mark = self.of.setdefault(field, f"mk{len(self.of):03}k")
        texts = (text.replace("{mark}", mark) for text in MARKUP)
        return next(text for text in texts if len(text) <= (length or 1000))

    def row(self, model: type[Model], **fields: Any) -> Any:
        """Write a row past everything that would check it; what is not given is markup."""
        texts = {
            field.name: self.text(f"{model._meta.label}.{field.name}", field.max_length)
            for field in texts_of(model)
            if field.name not in fields
        }
        (row,) = model._default_manager.bulk_create([model(**texts | fields)])
        return row


def texts_of(model: type[Model]) -> list[Any]:
    """Return the fields of a model that may hold any text."""
    label = model._meta.label
    if {label, model._meta.app_label} & OUR_OWN.keys():
        return []
    return [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, CharField | TextField | JSONField)
        and not field.choices
        and f"{label}.{field.name}" not in OUR_OWN
    ]


def rows(marks: Marks) -> Iterator[Any]:
    """Write at least one row of each model, in each state that pages tell apart."""
    now = timezone.now()
    buyer = marks.row(
        User, password=make_password(PASSWORD), is_staff=True, is_superuser=True, language="zh-hans"
    )
    yield buyer
    yield marks.row(Group)
    category = marks.row(Category)
    yield category
    tea = marks.row(Product, category=category, price=Decimal("9.90"), stock=5)
    yield tea
    yield marks.row(StockMovement, product=tea, quantity=5, cause="CORRECTION", by=buyer)

    for number, status in enumerate(OrderStatus.values):
        order = marks.row(Order, user=buyer, status=status, total_price=Decimal("9.90"))
        yield order
        yield marks.row(
            OrderItem, order=order, product=tea, quantity=1, price_at_purchase=Decimal("9.90")
        )
        payment = marks.row(
            Payment,
            order=order,
            out_trade_no=order.order_id,
            amount=Decimal("9.90"),
            status=Payment.Status.values[number],
            time_expire=now + timedelta(minutes=30),
            # Alipay gives no number twice.
            **{"trade_no": str(number)} if status != "PAID" else {},
        )
        yield payment

    for number, state in enumerate(Refund.Status.values):
        refund = marks.row(
            Refund,
            payment=payment,
            out_request_no=f"{order.order_id}_R{number}",
            amount=Decimal("0.01"),
            status=state,
            cause="OPERATOR",
            requested_by=buyer,
        )
        yield refund
    for what in Event.What.values:
        number_of = {"about": refund.out_request_no} if what == "REFUND_DONE" else {}
        event = marks.row(Event, order=order, what=what, by=buyer, **number_of)
        if what in Letter.Kind.values:
            yield marks.row(Letter, event=event, kind=what, language="en", status="SENT")
    for verdict in ("SETTLED", "REFUSED"):
        yield marks.row(Notice, payment=payment, verdict=verdict)
    yield marks.row(
        JournalEntry,
        payment=payment,
        what="SALE",
        debit="ALIPAY",
        credit="SALES",
        amount=Decimal("9.90"),
    )
    for number, status in enumerate(Bill.Status.values):
        bill = marks.row(Bill, day=date(2020, 1, 1 + number), status=status)
        yield bill
    for kind, movement in list(ADVICE)[:2]:
        yield marks.row(
            Difference, bill=bill, kind=kind, movement=movement, payment=payment, seen_in=1
        )
    finding = {
        part: marks.text(f"books.AuditReport.findings.{part}", None) for part in ("check", "row")
    }
    yield marks.row(AuditReport, findings=[finding], count=1, seconds=1.0)


def addresses(rows_of: dict[type[Model], list[Any]]) -> Iterator[str]:
    """Every page of the shop that can be asked for, of each of these rows."""
    orders, (tea,) = rows_of[Order], rows_of[Product]
    places: dict[str, list[Any]] = {
        "product_id": [tea.pk],
        "order_id": [order.order_id for order in orders],
        "out_request_no": [refund.out_request_no for refund in rows_of[Refund]],
        "token_id": [1],
        "uidb64": ["MQ"],
        "token": ["wrong"],
        "path": ["nothing"],
        "url": ["nothing/"],
        "app_label": sorted({model._meta.app_label for model in admin.site._registry}),
        "content_type_id": [ContentType.objects.get_for_model(Order).pk],
        "object_id": [orders[0].pk],
        "kind": list(KINDS),
    }
    yield from reached(get_resolver().url_patterns, "", places)
    for model, its_admin in admin.site._registry.items():
        ids = [row.pk for row in rows_of[model]]
        # Whatever else an address of theirs names is a row.
        of_rows: dict[str, list[Any]] = defaultdict(lambda ids=ids: ids)  # type: ignore[misc]
        of_rows["kind"] = list(KINDS)
        yield from reached(its_admin.urls, "admin:", of_rows)


def reached(patterns: Any, space: str, places: Mapping[str, list[Any]]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            # The pages of a model know which rows they are of.
            if space != "admin:":
                inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
                yield from reached(pattern.url_patterns, inner, places)
        elif isinstance(pattern, URLPattern) and pattern.name:
            names = list(pattern.pattern.regex.groupindex)
            most = 1 if pattern.name.endswith(ALIKE) else None
            for values in combinations(*(places[name][:most] for name in names)):
                yield reverse(space + pattern.name, kwargs=dict(zip(names, values, strict=True)))


@transaction.atomic
def fill() -> None:
    """Write it all, and say on the last line what to look at, and for what."""
    marks = Marks()
    rows_of: dict[type[Model], list[Any]] = {}
    for row in rows(marks):
        rows_of.setdefault(type(row), []).append(row)
        marks.row(
            LogEntry,
            user_id=rows_of[User][0].pk,
            content_type=ContentType.objects.get_for_model(row),
            object_id=str(row.pk),
            action_flag=CHANGE,
        )
    every_text = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in texts_of(model)
        if not isinstance(field, JSONField)
    }
    letters = [post.message_of(letter) for letter in rows_of[Letter]]
    told = {
        "marks": marks.of,
        "not filled": sorted(every_text - marks.of.keys()),
        "username": rows_of[User][0].username,
        "product": rows_of[Product][0].pk,
        "addresses": list(dict.fromkeys(addresses(rows_of))),
        "letters": [str(content) for letter in letters for content, _kind in letter.alternatives],
    }
    print(json.dumps(told))  # noqa: T201
