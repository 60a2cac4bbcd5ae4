"""Money that goes back: asked for once, by a number that was written down before the call."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Self

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.alters_data import alters_data
from core.due import Due, DueQuerySet
from core.fields import ByField
from core.money import SMALLEST, MoneyField, total
from orders.models import Event, Order
from payments import journal
from payments.models.payment import Payment, PaymentQuerySet
from products.models import StockMovement

MAX_OUT_REQUEST_NO = 64


class RefundQuerySet(DueQuerySet):
    def of(self, order: Order) -> Self:
        """Return what an order's buyer is told of.

        Not of what a second operator declined, nor of what failed and came back by another refund.
        """
        in_vain = Q(status=Refund.Status.FAILED, payment__status=Payment.Status.REFUNDED)
        declined = Q(status=Refund.Status.DECLINED)
        return self.filter(payment__order=order).exclude(declined | in_vain)

    def done(self) -> Self:
        return self.filter(status=Refund.Status.DONE)

    def standing(self) -> Self:
        """Return those whose money went back, or may."""
        return self.exclude(status__in=ENDED_IN_VAIN)

    def by_one(self) -> Self:
        """Return what one operator decided alone."""
        return self.filter(cause=Refund.Cause.OPERATOR, approved_by=None)

    def total(self) -> Decimal:
        """Return what they come to, in yuan."""
        added: Decimal = self.aggregate(sum=total("amount"))["sum"]
        return added

    def of_late_money_of(self, payment: Payment) -> Refund:
        """Write down that all of a payment's money is to go back, since nobody wanted it."""
        return self.create(
            payment=payment,
            amount=payment.amount,
            out_request_no=f"{payment.out_trade_no}_late",
            cause=Refund.Cause.LATE,
            due_at=timezone.now(),
        )

    def of_sales(self) -> Self:
        """Return what lessens the revenue: late money that goes back never was any."""
        return self.exclude(cause=Refund.Cause.LATE)

    def failed(self) -> Self:
        """Return what Alipay refused, while it still holds money that could go back."""
        return self.filter(status=Refund.Status.FAILED, payment__status=Payment.Status.PAID)


class Refund(Due):
    """Money that goes back: asked for once, by a number that was written down before the call.

    It is due until Alipay has said that it is done, or that it never will be. It is a `Movement`.
    """

    RETRY_DELAYS = (
        timedelta(seconds=15),
        timedelta(minutes=1),
        timedelta(minutes=5),
        timedelta(minutes=30),
    )

    class Status(models.TextChoices):
        WAITING = "WAITING", _("Waiting for approval")  # a second operator must agree
        REQUESTED = "REQUESTED", _("Requested")  # written down; Alipay is asked next
        UNKNOWN = "UNKNOWN", _("Being clarified")  # asked; no clear answer yet, asked again
        DONE = "DONE", _("Refunded")  # Alipay says that the money moved
        FAILED = "FAILED", _("Failed")  # Alipay says that it never will; retry(), or it was wrong
        DECLINED = "DECLINED", _("Declined")  # the second operator did not agree

    class Cause(models.TextChoices):
        LATE = "LATE", _("Paid too late, or twice")  # by itself, in settle()
        OPERATOR = "OPERATOR", _("By the shop")  # somebody of the staff decided it
        CONSOLE = "CONSOLE", _("In Alipay's console")  # made there, and imported here

    payment = models.ForeignKey(
        Payment, verbose_name=_("payment"), on_delete=models.PROTECT, related_name="refunds"
    )
    out_request_no = models.CharField("out_request_no", max_length=MAX_OUT_REQUEST_NO)
    amount = MoneyField(_("amount (yuan)"))
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.REQUESTED
    )
    cause = models.CharField(_("cause"), max_length=10, choices=Cause.choices)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    requested_by = ByField(_("requested by"), null=True)
    approved_by = ByField(_("approved by"), null=True)
    restocks = models.BooleanField(_("goods come back"), default=False)
    last_answer = models.CharField(_("last answer"), max_length=200, blank=True)
    done_at = models.DateTimeField(_("refunded at"), null=True, blank=True)
    billed_on = models.DateField(_("in the bill of"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = RefundQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=SMALLEST), name="refund_amount_bounds"),
            models.UniqueConstraint(fields=["payment", "out_request_no"], name="refund_once"),
        ]
        indexes = [
            models.Index(fields=["status", "cause"], name="refund_status"),
            models.Index(
                fields=["done_at"], condition=Q(done_at__isnull=False), name="refund_done_at"
            ),
            models.Index(
                fields=["unclear_since"],
                condition=Q(unclear_since__isnull=False),
                name="refund_unclear",
            ),
        ]
        permissions = [("approve_refund", _("Can approve a refund"))]

    def __str__(self) -> str:
        return self.out_request_no

    @property
    def is_late_money(self) -> bool:
        """Whether the money came when nobody wanted it any more."""
        return self.cause == Refund.Cause.LATE

    @property
    def out_trade_no(self) -> str:
        return self.payment.out_trade_no

    @property
    def trade_no(self) -> str:
        return self.payment.trade_no

    @property
    def refund_id(self) -> int:
        return self.pk

    @property
    def has_moved(self) -> bool:
        return self.status == Refund.Status.DONE

    @property
    def may_have_moved(self) -> bool:
        return self.is_open

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_REFUNDS

    @property
    def is_waiting(self) -> bool:
        return self.status == Refund.Status.WAITING

    @property
    def has_failed(self) -> bool:
        return self.status == Refund.Status.FAILED

    @alters_data
    @transaction.atomic
    def mark_done(self) -> bool:
        """Record that the money went back; tell payment and order when it was all of it.

        Return whether this call was the first. Money that moved is a fact, even when it was
        written down before that it never would: another worker may have heard a no.
        """
        # The order is read after the lock was got: joined to it, it would be that of before.
        payment = Payment.objects.select_for_update(of=("self",)).get(pk=self.payment_id)
        not_yet = [*OPEN_REFUNDS, Refund.Status.FAILED]
        now = timezone.now()
        if not self._end(Refund.Status.DONE, before=not_yet, done_at=now, last_answer=""):
            return False
        payment.order.record(Event.What.REFUND_DONE, about=self.out_request_no)
        journal.book(
            journal.What.LATE_OUT if payment.is_late_money else journal.What.REFUND,
            amount=self.amount,
            payment=payment,
            refund=self,
        )
        if payment.refunded() >= payment.amount:
            payment.status = Payment.Status.REFUNDED
            payment.save(update_fields=["status", "updated_at"])
            # Another payment of the same order may stand.
            if not payment.is_late_money:
                payment.order.mark_refunded()
        if self.restocks:
            payment.order.restock(StockMovement.Cause.REFUND, by=self.requested_by)
        return True

    @alters_data
    @transaction.atomic
    def mark_failed(self, answer: str) -> bool:
        """Record that Alipay will not do it; return whether this call was the first."""
        is_first = self._end(Refund.Status.FAILED, before=OPEN_REFUNDS, last_answer=answer[:200])
        if is_first:
            self.payment.order.record(
                Event.What.REFUND_FAILED, about=self.out_request_no, evidence=answer
            )
        return is_first

    @alters_data
    @transaction.atomic
    def note(self, answer: str) -> None:
        """Record that nobody knows yet; it is asked about again."""
        open_ones = Refund.objects.filter(pk=self.pk, status__in=OPEN_REFUNDS)
        if open_ones.update(status=Refund.Status.UNKNOWN, last_answer=answer[:200]):
            self.note_answer(is_clear=False)
            self.payment.order.record(
                Event.What.REFUND_UNCLEAR, about=self.out_request_no, evidence=answer
            )

    def _end(self, status: str, *, before: Iterable[str], **fields: Any) -> bool:
        mine = Refund.objects.filter(pk=self.pk, status__in=before)
        fields |= {"due_at": None, "unclear_since": None, "updated_at": timezone.now()}
        return bool(mine.update(status=status, **fields))


# Alipay has been asked, or is to be.
OPEN_REFUNDS = (Refund.Status.REQUESTED, Refund.Status.UNKNOWN)
# Their money has not moved so far.
NOT_DONE = tuple(status for status in Refund.Status if status != Refund.Status.DONE)
# Their money did not move, and will not.
ENDED_IN_VAIN = (Refund.Status.FAILED, Refund.Status.DECLINED)


def late_money(payments: PaymentQuerySet) -> PaymentQuerySet:
    """Return what came in when nobody wanted it any more, and has not all gone back yet."""
    not_back = Refund.objects.filter(cause=Refund.Cause.LATE, status__in=NOT_DONE)
    return payments.filter(status=Payment.Status.PAID, pk__in=not_back.values("payment"))
