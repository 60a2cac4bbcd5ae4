"""A day or a month of a merchant: when it is, and what happened in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import QuerySet

from ..clock import BEIJING
from ..models import LedgerEntry, Merchant, Refund, Trade


@dataclass(frozen=True)
class Period:
    """A day or a month, in Beijing."""

    start: datetime
    end: datetime
    name: str  # 20260102 or 202601

    @property
    def is_day(self) -> bool:
        return len(self.name) == 8


def read_period(text: str) -> Period | None:
    """Read ``yyyy-MM-dd`` or ``yyyy-MM``."""
    try:
        first = date.fromisoformat(text if len(text) == 10 else f"{text}-01")
    except ValueError:
        return None
    if len(text) not in (7, 10) or text.count("-") != len(text) // 5:
        return None
    after = first + timedelta(days=1 if len(text) == 10 else 32)
    if len(text) == 7:
        after = after.replace(day=1)
    return Period(_midnight(first), _midnight(after), text.replace("-", ""))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), BEIJING)


def payments(merchant: Merchant, span: Period) -> QuerySet[Trade]:
    return Trade.objects.filter(
        merchant=merchant, paid_at__gte=span.start, paid_at__lt=span.end
    ).order_by("paid_at", "pk")


def refunds(merchant: Merchant, span: Period) -> QuerySet[Refund]:
    return Refund.objects.filter(
        trade__merchant=merchant, at__gte=span.start, at__lt=span.end
    ).order_by("at", "pk")


def entries(merchant: Merchant, span: Period) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(merchant=merchant, at__gte=span.start, at__lt=span.end)
