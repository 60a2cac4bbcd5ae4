"""The operator's desk, the admin's first page: what a merchant asks in the morning.

    0. yesterday  whether it adds up: `daily_check`
    1. today      how many orders, how much came in, how much went back
    2. to do      what waits for a person: each of them should be zero
    3. a month    thirty days, as charts and as a table
    4. the house  what is running out, and whether the worker works

Each number is the count of one of the admin's lists and leads to it: the same rows, by the same
filter. Who may not see a list does not see its numbers; who may not see payments sees no sums.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Count, Min, Model, QuerySet
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from books.models import AuditReport, Bill, Difference
from core import health
from core.admin import changelist
from core.models import Tick
from core.money import total, yuan
from desk import charts
from desk.charts import Chart
from desk.daily_check import DailyCheck, daily_check
from letters.one_person import readers
from orders.models import Order, OrderStatus
from payments import one_person
from payments.models.payment import Payment
from payments.models.refund import Refund, late_money
from products.models import Product

DAYS = 30
# So many products that run out are named; the rest is in the list.
NAMED = 8
NOTHING = Decimal("0.00")


@dataclass(frozen=True)
class Number:
    """How many rows a list of the admin has, what they come to, and where the list is."""

    label: str
    count: int
    address: str
    amount: Decimal | None = None


@dataclass
class Day:
    """What one day in Beijing brought."""

    date: date
    orders: int = 0  # placed on this day
    converted: int = 0  # of these, how many were paid, on whatever day
    paid: int = 0  # paid on this day
    revenue: Decimal = NOTHING
    refunds: int = 0  # of sales, done on this day
    refunded: Decimal = NOTHING

    @property
    def conversion(self) -> int | None:
        """How many of a hundred orders were paid."""
        return round(100 * self.converted / self.orders) if self.orders else None

    def rows(self, model: type[Model], when: str, **filters: str) -> str:
        """Return the address of the list of what happened on this day."""
        begin = midnight(self.date)
        end = begin + timedelta(days=1)
        span = {f"{when}__gte": str(begin), f"{when}__lt": str(end)}
        return changelist(model, **span, **filters)

    @property
    def placed_rows(self) -> str:
        return self.rows(Order, "created_at")

    @property
    def paid_rows(self) -> str:
        return self.rows(Order, "paid_at")

    @property
    def refunded_rows(self) -> str:
        return self.rows(Refund, "done_at", concern="sales")


@dataclass
class Stock:
    """What is on sale and runs out."""

    number: Number
    products: list[Product]


@dataclass
class Worker:
    """Whether what is due is done."""

    last_tick_at: datetime | None
    due: list[Number]
    oldest_due_at: datetime | None

    @property
    def is_late(self) -> bool:
        return health.is_late(self.last_tick_at)


@dataclass
class OnePerson:
    """That no second operator is asked for large refunds, or soon is not."""

    begins_at: datetime | None  # None: the worker has not seen the setting yet
    has_begun: bool
    is_anybody_told: bool


@dataclass
class Desk:
    """What one person sees on it: a panel that is not theirs is None, or empty."""

    sees_orders: bool
    sees_refunds: bool
    sees_money: bool
    daily_check: DailyCheck | None = None
    today: list[Number] = field(default_factory=list)
    to_do: list[Number] = field(default_factory=list)
    days: list[Day] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    stock: Stock | None = None
    worker: Worker | None = None
    one_person: OnePerson | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> Desk:
        """Ask the database what this person may see, in as many statements as there are panels."""
        desk = cls(
            sees_orders=sees(request, Order),
            sees_refunds=sees(request, Refund),
            sees_money=sees(request, Payment),
        )
        if all(sees(request, model) for model in (Bill, Difference, AuditReport)):
            desk.daily_check = daily_check()
        if desk.sees_refunds and settings.ONE_PERSON_SHOP:
            desk.one_person = OnePerson(
                begins_at=one_person.begins_at(),
                has_begun=one_person.has_begun(),
                is_anybody_told=readers().exists(),
            )
        if desk.sees_orders or desk.sees_refunds:
            desk.days = the_last_days(orders=desk.sees_orders, refunds=desk.sees_refunds)
            desk.today = desk._today()
            desk.charts = desk._charts()
        desk.to_do = desk._to_do()
        if sees(request, Product):
            desk.stock = what_runs_out()
        desk.worker = the_worker(
            *([Payment] if desk.sees_money else []), *([Refund] if desk.sees_refunds else [])
        )
        return desk

    @property
    def is_anything_to_do(self) -> bool:
        return any(number.count for number in self.to_do)

    def _today(self) -> list[Number]:
        """Return what the day has brought so far; what waits, from whatever day."""
        today = self.days[-1]
        numbers = []
        if self.sees_orders:
            waiting = Order.objects.unpaid().count()
            numbers += [
                Number(_("Orders"), today.orders, today.placed_rows),
                Number(_("Paid"), today.paid, today.paid_rows, self._money(today.revenue)),
                Number(
                    _("Waiting for payment"),
                    waiting,
                    changelist(Order, status__exact=OrderStatus.UNPAID),
                ),
            ]
        if self.sees_refunds:
            refunded = self._money(today.refunded)
            numbers.append(Number(_("Refunded"), today.refunds, today.refunded_rows, refunded))
        return numbers

    def _to_do(self) -> list[Number]:
        numbers = []
        if self.sees_refunds:
            waiting = Refund.objects.filter(status=Refund.Status.WAITING)
            numbers += [
                self._counted(
                    _("Refunds to approve"), waiting, status__exact=Refund.Status.WAITING
                ),
                self._counted(_("Failed refunds"), Refund.objects.failed(), concern="failed"),
                self._counted(_("Unclear refunds"), Refund.objects.unclear(), concern="unclear"),
            ]
        if self.sees_money:
            numbers += [
                self._counted(_("Unclear payments"), Payment.objects.unclear(), concern="unclear"),
                self._counted(_("Late money"), late_money(Payment.objects.all()), concern="late"),
            ]
        return numbers

    def _counted(self, label: str, rows: QuerySet[Any], **filters: str) -> Number:
        """Return a number of rows of money, and the list in which just these stand."""
        found = rows.aggregate(count=Count("pk"), sum=total("amount"))
        amount = self._money(found["sum"])
        return Number(label, found["count"], changelist(rows.model, **filters), amount)

    def _money(self, amount: Decimal) -> Decimal | None:
        return amount if self.sees_money else None

    def _charts(self) -> list[Chart]:
        drawn = []
        if self.sees_orders and self.sees_money:
            drawn.append(money("revenue", _("Revenue"), self.days, "revenue"))
        if self.sees_orders:
            drawn += [orders_placed(self.days), conversion(self.days)]
        if self.sees_refunds and self.sees_money:
            drawn.append(money("refunds", _("Refunds"), self.days, "refunded"))
        return drawn


# What may be seen, and where --------------------------------------------------------------------


def sees(request: HttpRequest, model: type[Model]) -> bool:
    return admin.site.get_model_admin(model).has_view_permission(request)


def midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


# A month ----------------------------------------------------------------------------------------


def the_last_days(*, orders: bool, refunds: bool) -> list[Day]:
    """Return the days of a month, the last of them today, with what these lists say of each."""
    today = timezone.localdate()
    days = [Day(today - timedelta(days=ago)) for ago in reversed(range(DAYS))]
    begin = midnight(days[0].date)
    if orders:
        _fill(
            days,
            by_day(Order.objects.filter(created_at__gte=begin), "created_at").annotate(
                orders=Count("pk"), converted=Count("paid_at")
            ),
        )
        _fill(
            days,
            by_day(Order.objects.filter(paid_at__gte=begin), "paid_at").annotate(
                paid=Count("pk"), revenue=total("total_price")
            ),
        )
    if refunds:
        _fill(
            days,
            by_day(Refund.objects.of_sales().filter(done_at__gte=begin), "done_at").annotate(
                refunds=Count("pk"), refunded=total("amount")
            ),
        )
    return days


def by_day(rows: QuerySet[Any], when: str) -> QuerySet[Any, dict[str, Any]]:
    return rows.order_by().annotate(day=TruncDate(when)).values("day")


def _fill(days: list[Day], found: Iterable[dict[str, Any]]) -> None:
    by_date = {day.date: day for day in days}
    for row in found:
        day = by_date.get(row.pop("day"))
        for name, value in row.items():
            if day:
                setattr(day, name, value)


def money(name: str, title: str, days: Sequence[Day], what: str) -> Chart:
    amounts = [getattr(day, what) for day in days]
    return Chart(
        name=name,
        title=title,
        total=yuan(sum(amounts, NOTHING)),
        top=yuan(max(amounts)),
        bars=charts.bars(
            amounts,
            top=max(amounts),
            words=[bar_label(day, yuan(amount)) for day, amount in zip(days, amounts, strict=True)],
        ),
    )


def orders_placed(days: Sequence[Day]) -> Chart:
    """Return the orders of each day, and among them those that were paid."""
    most = max(day.orders for day in days)
    return Chart(
        name="orders",
        title=_("Orders, and how many were paid"),
        total=str(sum(day.orders for day in days)),
        top=str(most),
        bars=charts.bars(
            [day.orders for day in days],
            parts=[day.converted for day in days],
            top=most,
            words=[bar_label(day, f"{day.converted} / {day.orders}") for day in days],
        ),
    )


def conversion(days: Sequence[Day]) -> Chart:
    """Return how many of a hundred orders of each day were paid."""
    orders = sum(day.orders for day in days)
    converted = sum(day.converted for day in days)
    return Chart(
        name="conversion",
        title=_("From order to payment"),
        total=f"{round(100 * converted / orders)} %" if orders else "–",
        top="100 %",
        bars=charts.bars(
            [day.conversion or 0 for day in days],
            top=100,
            words=[
                bar_label(day, "–" if day.conversion is None else f"{day.conversion} %")
                for day in days
            ],
        ),
    )


def bar_label(day: Day, words: str) -> str:
    return f"{formats.date_format(day.date, 'MONTH_DAY_FORMAT')}: {words}"


# The house --------------------------------------------------------------------------------------


def what_runs_out() -> Stock:
    low = Product.objects.low()
    return Stock(
        number=Number(_("Low stock"), low.count(), changelist(Product, concern="low")),
        products=list(low.order_by("stock", "id")[:NAMED]),
    )


def the_worker(*models: type[Payment | Refund]) -> Worker:
    """Return how the worker is, and how much of these waits for it."""
    due, oldest = [], []
    for model in models:
        found = model.objects.due().aggregate(count=Count("pk"), oldest=Min("due_at"))
        label = _("Payments due") if model is Payment else _("Refunds due")
        due.append(Number(label, found["count"], changelist(model, concern="due")))
        oldest += [found["oldest"]] if found["oldest"] else []
    return Worker(
        last_tick_at=Tick.objects.values_list("at", flat=True).first(),
        due=due,
        oldest_due_at=min(oldest, default=None),
    )
