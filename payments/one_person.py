"""A shop of one person has no second operator: what is above the limit waits instead.

    1. switch on  by the setting ONE_PERSON_SHOP; the worker writes down since when. It counts after
                  a day, of which the desk tells: who did not switch it on has the time to see it
    2. tell       a refund that waits is told by mail to all who could approve it (`letters`)
    3. let go     an hour after that, unless somebody declined it

Switched off, all this ends at once: what waits goes on waiting for a second operator.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core.due import log_and_continue
from orders.models import Event
from payments.exceptions import RefundNotWaiting
from payments.models.one_person import OnePersonShop
from payments.models.refund import Refund, RefundQuerySet
from payments.refunds import record_event, waiting

A_DAY, AN_HOUR = timedelta(days=1), timedelta(hours=1)


def note_setting() -> None:
    """Write down since when the setting is on, or that it is off."""
    if settings.ONE_PERSON_SHOP:
        OnePersonShop.objects.get_or_create(pk=1)
    else:
        OnePersonShop.objects.all().delete()


def begins_at() -> datetime | None:
    """Return when the setting counts from; None while it is off, or the worker has not seen it."""
    shop = OnePersonShop.objects.first() if settings.ONE_PERSON_SHOP else None
    return shop.since + A_DAY if shop else None


def has_begun() -> bool:
    begin = begins_at()
    return begin is not None and begin <= timezone.now()


def waiting_refunds() -> RefundQuerySet:
    return Refund.objects.filter(status=Refund.Status.WAITING)


def untold() -> list[Refund]:
    """Return the refunds that wait, and that nobody has been told of."""
    if not has_begun():
        return []
    return list(waiting_refunds().filter(due_at=None).select_related("payment__order"))


def begin_the_hour(refund: Refund) -> None:
    """Let a refund go in an hour: it has been told."""
    untold_ones = waiting_refunds().filter(pk=refund.pk, due_at=None)
    untold_ones.update(due_at=timezone.now() + AN_HOUR, updated_at=timezone.now())


def let_go_what_waited() -> int:
    """Let each refund go whose hour is over; return how many there were."""
    if not has_begun():
        waiting_refunds().exclude(due_at=None).update(due_at=None, updated_at=timezone.now())
        return 0
    due = list(waiting_refunds().due())
    for refund in due:
        with log_and_continue(refund):
            let_go(refund)
    return len(due)


@transaction.atomic
def let_go(refund: Refund) -> None:
    """Let one go, unless somebody approved or declined it meanwhile."""
    try:
        refund = waiting(refund)
    except RefundNotWaiting:
        return
    refund.status, refund.due_at = Refund.Status.REQUESTED, timezone.now()
    refund.save(update_fields=["status", "due_at", "updated_at"])
    record_event(refund, Event.What.REFUND_APPROVED, evidence="an hour's wait, one person's shop")
