"""Does yesterday add up? One line, from what the bills and the audit left in the database.

bad       something differs: a row of a bill, a row of ours, or a bill that cannot be read
unknown   nothing is known to differ, but a bill is not there yet, or nobody has audited
good      each bill until yesterday's was compared to its last row, and the audit found nothing
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from books.models import AuditReport, Bill, Difference, midnight
from core.admin import changelist, page
from core.money import yuan
from orders.models import Order

# The audit is made every night; after so long, one was left out.
AUDITED = timedelta(days=1, hours=12)


@dataclass(frozen=True)
class Cause:
    """What keeps yesterday from adding up, and where it is."""

    words: str
    address: str


@dataclass
class DailyCheck:
    wrong: list[Cause] = field(default_factory=list)
    missing: list[Cause] = field(default_factory=list)
    words: str = ""

    @property
    def tone(self) -> str:
        return "bad" if self.wrong else "unknown" if self.missing else "good"

    @property
    def title(self) -> str:
        return {
            "good": _("Yesterday adds up"),
            "bad": _("It does not add up"),
            "unknown": _("Not known yet"),
        }[self.tone]

    @property
    def causes(self) -> list[Cause]:
        return self.wrong + self.missing


def daily_check() -> DailyCheck:
    """Put together what is known, in four statements that grow with no order."""
    yesterday = timezone.localdate() - timedelta(days=1)
    check = DailyCheck()
    add_differences(check)
    add_bills(check, yesterday)
    add_audit(check)
    return check


def add_differences(check: DailyCheck) -> None:
    """What is open counts, whatever day it is of: it waits for somebody."""
    if count := Difference.objects.open().count():
        words = ngettext(
            "%(count)s difference from Alipay's bills",
            "%(count)s differences from Alipay's bills",
            count,
        )
        address = changelist(Difference, status__exact=Difference.Status.OPEN)
        check.wrong.append(Cause(words % {"count": count}, address))


def add_bills(check: DailyCheck, yesterday: date) -> None:
    bills = Bill.objects.filter(day__lte=yesterday)
    statuses = list(
        bills.filter(status__in=(Bill.Status.WAITING, Bill.Status.MALFORMED))
        .order_by()
        .values_list("status", flat=True)
    )
    if count := statuses.count(Bill.Status.MALFORMED):
        words = ngettext(
            "%(count)s bill that cannot be read", "%(count)s bills that cannot be read", count
        )
        address = changelist(Bill, status__exact=Bill.Status.MALFORMED)
        check.wrong.append(Cause(words % {"count": count}, address))
    if count := statuses.count(Bill.Status.WAITING):
        words = ngettext(
            "%(count)s bill is not there yet", "%(count)s bills are not there yet", count
        )
        address = changelist(Bill, status__exact=Bill.Status.WAITING)
        check.missing.append(Cause(words % {"count": count}, address))
    last = bills.filter(day=yesterday).first()
    if last is None and not has_sold_by(yesterday):
        check.words = nothing_happened()
    elif last is None:
        words = _("yesterday's bill comes after ten o'clock")
        check.missing.append(Cause(words, changelist(Bill)))
    elif last.is_done:
        check.words = what_it_came_to(last)


def has_sold_by(day: date) -> bool:
    """Whether a bill can be expected of a day: nobody could pay before the first order."""
    return Order.objects.filter(created_at__lt=midnight(day + timedelta(days=1))).exists()


def nothing_happened() -> str:
    return _("Nothing was paid, and nothing went back.")


def what_it_came_to(bill: Bill) -> str:
    if bill.status == Bill.Status.EMPTY:
        return nothing_happened()
    return _("Payments: %(payments)s, %(paid)s. Refunds: %(refunds)s, %(refunded)s.") % {
        "paid": yuan(bill.paid),
        "payments": bill.payments,
        "refunded": yuan(bill.refunded),
        "refunds": bill.refunds,
    }


def add_audit(check: DailyCheck) -> None:
    last = AuditReport.objects.defer("findings").first()
    if last is None or timezone.now() - last.at > AUDITED:
        words = _("the books were not audited last night")
        check.missing.append(Cause(words, changelist(AuditReport)))
    elif last.count:
        words = ngettext(
            "%(count)s row of our own books", "%(count)s rows of our own books", last.count
        )
        check.wrong.append(Cause(words % {"count": last.count}, page(last)))
