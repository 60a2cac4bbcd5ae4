"""Whether the shop's own books agree with themselves.

    stock      what is there is the sum of its movements, and each order moved what it sold
    orders     a total is the sum of its lines; a state is what the history tells
    evidence   no order is paid without Alipay's word, and no word is without its order or refund
    money      no more went back than came; the journal has each movement once, to the fen

Each check is one statement, so it sees one moment, also while the shop is selling. Every finding
names its row.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Concat, Round
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from books.models import AuditReport
from core.money import MoneyField
from orders.models import Event, Order, OrderItem, OrderStatus
from payments.journal import LEGS, JournalEntry, What
from payments.models.notice import Notice
from payments.models.payment import PAID_STATUSES, Payment
from payments.models.refund import Refund
from products.models import Product, StockMovement

AT_NIGHT = 3  # o'clock, in Beijing
# Of one check so many are named; the rest are counted.
MOST = 100

PAID_ORDERS = (OrderStatus.PAID, OrderStatus.REFUNDED)


@dataclass(frozen=True)
class Finding:
    """One row that does not add up: which check says so, and which row."""

    check: str
    row: str

    @property
    def words(self) -> str:
        """What is wrong with it, in the language of whoever reads."""
        return str(CHECKS[self.check][0]) if self.check in CHECKS else ""


def audit() -> AuditReport:
    """Run every check and keep the report."""
    began = time.monotonic()
    found = findings()
    return AuditReport.objects.create(
        findings=[asdict(finding) for finding in found],
        count=len(found),
        seconds=round(time.monotonic() - began, 3),
    )


def is_due() -> bool:
    """Whether this night's audit has not been made yet; nights begin at AT_NIGHT, in Beijing."""
    now = timezone.localtime()
    night = now.replace(hour=AT_NIGHT, minute=0, second=0, microsecond=0)
    return now >= night and not AuditReport.objects.filter(at__gte=night).exists()


def findings() -> list[Finding]:
    """Return everything that does not add up; an empty list means that all of it does."""
    found: list[Finding] = []
    for name, (_words, check) in CHECKS.items():
        rows = check()
        found += [Finding(name, name_of(row)) for row in rows[:MOST]]
        if (more := rows.count() - MOST) > 0:
            found.append(Finding(name, f"+{more}"))
    return found


def kept(report: AuditReport) -> list[Finding]:
    """Return what an audit found."""
    return [Finding(found["check"], found["row"]) for found in report.findings]


def name_of(row: Any) -> str:
    return f"{row._meta.object_name} {row.pk} ({row})"


def summed(rows: QuerySet[Any], *, field: str = "amount") -> Any:
    """Return the sum over rows that refer to the outer row, as a part of one statement."""
    money = MoneyField() if field == "amount" else IntegerField()
    nothing = Value(Decimal("0.00") if field == "amount" else 0, output_field=money)
    # Grouped by a constant: one sum, whatever the model's own order.
    one = rows.order_by().annotate(one=Value(1)).values("one")
    # To the fen, for SQLite adds floats.
    sums = one.annotate(sum=Round(Sum(field), precision=2, output_field=money)).values("sum")
    return Coalesce(Subquery(sums, output_field=money), nothing, output_field=money)


# -- stock -----------------------------------------------------------------------------------------


def stock() -> QuerySet[Product]:
    moved = summed(StockMovement.objects.filter(product=OuterRef("pk")), field="quantity")
    return Product.objects.annotate(moved=moved).exclude(stock=F("moved")).order_by("id")


def moved_by_orders() -> QuerySet[OrderItem]:
    """An order's line took its quantity, once, and gave it back when the order was restocked."""
    mine = StockMovement.objects.filter(
        reference=OuterRef("order__order_id"), product=OuterRef("product")
    )
    held = Case(
        When(order__restocked_at=None, then=-F("quantity")),
        default=0,
        output_field=IntegerField(),
    )
    lines = OrderItem.objects.annotate(moved=summed(mine, field="quantity"), held=held)
    return lines.exclude(moved=F("held")).order_by("id")


def moved_for_no_order() -> QuerySet[StockMovement]:
    """A movement that names an order belongs to one of its lines."""
    line = OrderItem.objects.filter(
        order__order_id=OuterRef("reference"), product=OuterRef("product")
    )
    return StockMovement.objects.exclude(reference="").exclude(Exists(line))


# -- orders ----------------------------------------------------------------------------------------


def totals() -> QuerySet[Order]:
    lines = OrderItem.objects.filter(order=OuterRef("pk")).annotate(
        amount=F("price_at_purchase") * F("quantity")
    )
    return Order.objects.annotate(lines=summed(lines)).exclude(total_price=F("lines"))


def history() -> QuerySet[Order]:
    """A state is what the history tells, and a cancelled order gave its stock back."""

    def has_event(*whats: str) -> Exists:
        return Exists(Event.objects.filter(order=OuterRef("pk"), what__in=whats))

    agrees = {
        OrderStatus.UNPAID: {"cancelled": False, "paid": False, "refunded": False},
        OrderStatus.PAID: {"cancelled": False, "paid": True, "refunded": False},
        OrderStatus.REFUNDED: {"cancelled": False, "paid": True, "refunded": True},
        OrderStatus.CANCELLED: {"cancelled": True, "paid": False, "refunded": False},
    }
    right = Q()
    for status, facts in agrees.items():
        right |= Q(status=status, placed=True, **facts)
    orders = Order.objects.annotate(
        placed=has_event(Event.What.PLACED),
        paid=has_event(Event.What.PAID),
        cancelled=has_event(Event.What.CANCELLED, Event.What.EXPIRED),
        refunded=has_event(Event.What.REFUNDED),
    )
    not_restocked = Q(status=OrderStatus.CANCELLED, restocked_at=None)
    return orders.filter(~right | not_restocked)


# -- evidence --------------------------------------------------------------------------------------


def paid_without_evidence() -> QuerySet[Order]:
    """A paid order has the payment whose trade paid it, and the line of history that says how."""
    payment = Payment.objects.filter(
        order=OuterRef("pk"),
        trade_no=OuterRef("transaction_id"),
        paid_at=OuterRef("paid_at"),
        status__in=PAID_STATUSES,
    )
    # The line names the notice that it is based on, if it is one: that must be there.
    notice = Notice.objects.annotate(named=Concat(Value("notify_id "), "notify_id")).filter(
        named=OuterRef("evidence"),
        payment__order=OuterRef("order"),
        verdict=Notice.Verdict.SETTLED,
    )
    event = Event.objects.filter(
        ~Q(evidence__startswith="notify_id ") | Q(Exists(notice)),
        order=OuterRef("pk"),
        what=Event.What.PAID,
        about=OuterRef("transaction_id"),
    )
    return Order.objects.filter(status__in=PAID_ORDERS).exclude(
        Exists(payment), Exists(event), ~Q(transaction_id="")
    )


def money_without_order() -> QuerySet[Payment]:
    """Money that came is that of a paid order, or there is a refund of all of it."""
    refunds = Refund.objects.filter(payment=OuterRef("pk"), cause=Refund.Cause.LATE)
    paid = Payment.objects.filter(Q(status__in=PAID_STATUSES) | ~Q(trade_no=""))
    return paid.annotate(back=summed(refunds)).exclude(
        Q(order__status__in=PAID_ORDERS, order__transaction_id=F("trade_no"))
        | Q(back=F("amount"), status__in=PAID_STATUSES),
        ~Q(trade_no=""),
    )


def notices() -> QuerySet[Notice]:
    """A notice that settled a payment still says what that payment knows."""
    settled = Notice.objects.filter(verdict=Notice.Verdict.SETTLED)
    return settled.exclude(
        payment__status__in=PAID_STATUSES,
        payment__trade_no=F("trade_no"),
        payment__out_trade_no=F("out_trade_no"),
        raw__contains=F("trade_no"),
    )


# -- money -----------------------------------------------------------------------------------------


def attempts() -> QuerySet[Payment]:
    """An attempt is for all of its order, at the price of the order."""
    return Payment.objects.exclude(amount=F("order__total_price"))


def refunded() -> QuerySet[Payment]:
    """No more went back than came, and only all of it makes a payment refunded."""
    back = summed(Refund.objects.filter(payment=OuterRef("pk"), status=Refund.Status.DONE))
    payments = Payment.objects.annotate(back=back)
    return payments.exclude(
        Q(status=Payment.Status.REFUNDED, back=F("amount"))
        | Q(status=Payment.Status.PAID, back__lt=F("amount"))
        | Q(status__in=[Payment.Status.PENDING, Payment.Status.CLOSED], back=0)
    )


def journal_of_payments() -> QuerySet[Payment]:
    """What came stands in the journal once, as a sale or as late money."""
    entries = JournalEntry.objects.filter(payment=OuterRef("pk"), refund=None)
    sale = Case(
        When(order__transaction_id=F("trade_no"), then=Value(What.SALE)),
        default=Value(What.LATE_IN),
        output_field=CharField(),
    )
    payments = Payment.objects.annotate(
        sale=sale,
        booked=summed(entries.filter(what__in=[What.SALE, What.LATE_IN])),
    ).annotate(rightly=summed(entries.filter(what=OuterRef("sale"))))
    return payments.exclude(
        Q(status__in=PAID_STATUSES, booked=F("amount"), rightly=F("amount"))
        | (~Q(status__in=PAID_STATUSES) & Q(booked=0))
    )


def journal_of_refunds() -> QuerySet[Refund]:
    """What went back stands in the journal once, against the account it came by."""
    entries = JournalEntry.objects.filter(refund=OuterRef("pk"))
    out = Case(
        When(payment__order__transaction_id=F("payment__trade_no"), then=Value(What.REFUND)),
        default=Value(What.LATE_OUT),
        output_field=CharField(),
    )
    refunds = Refund.objects.annotate(
        out=out,
        booked=summed(entries.filter(what__in=[What.REFUND, What.LATE_OUT])),
    ).annotate(rightly=summed(entries.filter(what=OuterRef("out"))))
    return refunds.exclude(
        Q(status=Refund.Status.DONE, booked=F("amount"), rightly=F("amount"))
        | (~Q(status=Refund.Status.DONE) & Q(booked=0))
    )


def refunds_told() -> QuerySet[Event]:
    """The history tells of no refund that is not there."""
    refund = Refund.objects.filter(
        payment__order=OuterRef("order"),
        out_request_no=OuterRef("about"),
        status=Refund.Status.DONE,
    )
    return Event.objects.filter(what=Event.What.REFUND_DONE).exclude(Exists(refund))


def journal_entries() -> QuerySet[JournalEntry]:
    """Each entry stands on the two accounts of its kind, and is about what it names."""
    accounts = Q()
    for what, (debit, credit) in LEGS.items():
        accounts |= Q(what=what, debit=debit, credit=credit)
    of_payment = Q(refund=None) & ~Q(what__in=[What.REFUND, What.LATE_OUT])
    of_refund = Q(refund__payment=F("payment"), amount__lte=F("refund__amount")) & ~Q(
        what__in=[What.SALE, What.LATE_IN]
    )
    right = accounts & Q(amount__lte=F("payment__amount")) & (of_payment | of_refund)
    # What is NULL is not right either.
    fits = Case(When(right, then=Value(True)), default=Value(False), output_field=BooleanField())
    return JournalEntry.objects.annotate(fits=fits).filter(fits=False)


CHECKS: dict[str, tuple[Any, Callable[[], QuerySet[Any]]]] = {
    "stock": (_("The stock is not the sum of its movements."), stock),
    "order lines": (_("The stock did not move as this line was sold."), moved_by_orders),
    "movements": (_("The stock moved for an order without such a line."), moved_for_no_order),
    "totals": (_("The total is not the sum of the lines."), totals),
    "history": (_("The state is not what the history tells."), history),
    "evidence": (_("Paid, yet without a payment and its evidence."), paid_without_evidence),
    "money": (_("Money came that has neither its order nor its refund."), money_without_order),
    "notices": (_("The notice does not say what its payment knows."), notices),
    "attempts": (_("The payment is not for the order's total."), attempts),
    "refunds": (_("What went back does not fit what was paid."), refunded),
    "sales journal": (_("The journal does not say what was paid."), journal_of_payments),
    "refunds journal": (_("The journal does not say what went back."), journal_of_refunds),
    "refunds told": (_("The history tells of a refund that is not there."), refunds_told),
    "journal": (_("The journal entry does not fit its accounts or its payment."), journal_entries),
}
