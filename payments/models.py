"""An attempt to pay an order, and everything that Alipay sent about it."""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.due import Due, DueQuerySet
from core.money import SMALLEST, MoneyField
from orders.models import Order, PaymentMethod
from payments.alipay import Trade
from payments.exceptions import OrderNotPayable, Refused

logger = logging.getLogger(__name__)

# Alipay gives a payer one minute at least.
SHORTEST_TIME = timedelta(minutes=1)
# What a notice says in one word, genuine or not, is kept to this length; `raw` has all of it.
MAX_WORD = 128
# When an open attempt is asked about: soon, for the notice that never comes, and ever more rarely.
LADDER = (
    *(timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=10)),
)
# What is unclear after the time to pay is asked about at this pace.
AFTER_TIME = timedelta(minutes=1)
# Alipay's clock and ours may differ: a trade that was never born is over when this has passed.
GRACE = timedelta(minutes=1)
# A refund that is unclear is tried again at this pace, ever more slowly.
REFUND_LADDER = (
    *(timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30)),
)


class PaymentQuerySet(DueQuerySet):
    @transaction.atomic
    def attempt(self, order: Order) -> Payment:
        """Return the attempt with which this order is being paid, a new one if need be.

        Raise OrderNotPayable when it is paid, cancelled or too late. The row is there before the
        buyer gets the address to pay at, so no notice can come too early for it.
        """
        order = Order.objects.select_for_update().get(pk=order.pk)
        if not order.is_payable:
            raise OrderNotPayable
        attempts = list(self.filter(order=order).order_by("id"))
        if attempts and attempts[-1].status == Payment.Status.PENDING:
            return attempts[-1]
        number = f"_{len(attempts) + 1}" if attempts else ""
        return self.create(
            order=order,
            out_trade_no=f"{order.order_id}{number}",
            amount=order.total_price,
            time_expire=max(order.expires_at, timezone.now() + SHORTEST_TIME),
            due_at=timezone.now() + LADDER[0],
        )


class Payment(Due):
    """One attempt to pay one order: what Alipay calls a trade, by our number for it.

    It is due to be asked about until Alipay has said what became of it.
    """

    class Status(models.TextChoices):
        PENDING = "PENDING", _("Waiting for payment")  # the buyer was sent to Alipay
        PAID = "PAID", _("Paid")  # evidence that Alipay signed: settle()
        CLOSED = "CLOSED", _("Closed")  # Alipay says that it can not be paid any more
        REFUNDED = "REFUNDED", _("Refunded")  # all of the money went back

    order = models.ForeignKey(
        Order,
        verbose_name=_("order"),
        on_delete=models.PROTECT,
        related_name="payments",
    )
    out_trade_no = models.CharField("out_trade_no", max_length=64, unique=True)
    amount = MoneyField(_("amount (yuan)"))
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.PENDING
    )
    trade_no = models.CharField("trade_no", max_length=64, blank=True)
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True)
    time_expire = models.DateTimeField(_("payable at Alipay until"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=SMALLEST), name="payment_amount_bounds"),
            models.UniqueConstraint(
                fields=["trade_no"],
                condition=~Q(trade_no=""),
                name="payment_trade_no_once",
            ),
        ]

    def __str__(self) -> str:
        return self.out_trade_no

    @property
    def is_over(self) -> bool:
        """Whether Alipay takes no more money for it, by its own clock."""
        return timezone.now() > self.time_expire + GRACE

    def pause(self) -> timedelta:
        """Wait as the ladder says, but not beyond the time at which the attempt is over."""
        step = LADDER[min(self.tries, len(LADDER) - 1)]
        left = self.time_expire + GRACE - timezone.now()
        return min(step, left + timedelta(seconds=1)) if left > timedelta() else AFTER_TIME

    def match(self, trade: Trade) -> None:
        """Raise Refused unless the trade is this payment, to the fen."""
        if trade.out_trade_no != self.out_trade_no:
            raise Refused("out_trade_no", "of another payment")
        if trade.total_amount != self.amount:
            raise Refused("total_amount", f"{trade.total_amount} instead of {self.amount}")
        if self.trade_no not in ("", trade.trade_no):
            raise Refused("trade_no", "another trade paid this already")

    @transaction.atomic(savepoint=False)
    def settle(self, trade: Trade) -> bool:
        """Record that Alipay holds this payment's money, and tell the order.

        The notice, the buyer's return and any query come here, in any order and any number of
        times: the first settles, the others change nothing. Return whether this call was the
        first. The trade must be ours to the fen, and paid; otherwise raise Refused and write
        nothing.

        A cancelled order stays cancelled, and an order that another attempt paid is not paid
        twice; yet the payment is recorded, for money received is a fact, and its refund with it.
        """
        payment = (
            Payment.objects.select_for_update(of=("self",)).select_related("order").get(pk=self.pk)
        )
        payment.match(trade)
        if not trade.is_paid:
            raise Refused("trade_status", trade.trade_status)
        if payment.status in (Payment.Status.PAID, Payment.Status.REFUNDED):
            return False

        payment.status = Payment.Status.PAID
        payment.trade_no = trade.trade_no
        payment.paid_at = trade.gmt_payment or timezone.now()
        payment.due_at = None
        payment.save(update_fields=["status", "trade_no", "paid_at", "due_at", "updated_at"])
        if payment.order.mark_paid(
            payment_method=PaymentMethod.ALIPAY,
            transaction_id=payment.trade_no,
            paid_at=payment.paid_at,
        ):
            logger.info("Order %s: paid by trade %s", payment.order, payment.trade_no)
        else:
            logger.warning(
                "Order %s: %s already, but trade %s was paid: the money goes back",
                payment.order,
                Order.objects.get(pk=payment.order_id).status,
                payment.trade_no,
            )
            Refund.objects.create(
                payment=payment,
                amount=payment.amount,
                out_request_no=f"{payment.out_trade_no}_late",
                cause=Refund.Cause.LATE,
                due_at=timezone.now(),
            )
        return True

    def close(self) -> bool:
        """Record that Alipay takes no more money for it; a paid one is not unpaid by it.

        Return whether this call was the first.
        """
        return bool(
            Payment.objects.filter(pk=self.pk, status=Payment.Status.PENDING).update(
                status=Payment.Status.CLOSED, due_at=None, updated_at=timezone.now()
            )
        )

    @property
    def is_refundable(self) -> bool:
        return self.status == Payment.Status.PAID and self.refundable() > 0

    def refunded(self) -> Decimal:
        """Return how much has gone back."""
        return self._sum_of(self.refunds.filter(status=Refund.Status.DONE))

    def refundable(self) -> Decimal:
        """Return how much may still go back: what is being refunded counts as gone."""
        return self.amount - self._sum_of(self.refunds.exclude(status=Refund.Status.FAILED))

    def _sum_of(self, refunds: models.QuerySet[Refund]) -> Decimal:
        return refunds.aggregate(sum=Sum("amount"))["sum"] or Decimal("0.00")

    settle.alters_data = True  # type: ignore[attr-defined]
    close.alters_data = True  # type: ignore[attr-defined]


class Refund(Due):
    """Money that goes back: asked for once, by a number that was written down before the call.

    It is due until Alipay has said that it is done, or that it never will be.
    """

    class Status(models.TextChoices):
        REQUESTED = "REQUESTED", _("Requested")  # written down; Alipay is asked next
        UNKNOWN = "UNKNOWN", _("Being clarified")  # asked; no clear answer yet, asked again
        DONE = "DONE", _("Refunded")  # Alipay says that the money moved
        FAILED = "FAILED", _("Failed")  # Alipay says that it never will

    class Cause(models.TextChoices):
        LATE = "LATE", _("Paid too late, or twice")  # by itself, in settle()
        OPERATOR = "OPERATOR", _("By the shop")  # somebody of the staff decided it

    payment = models.ForeignKey(
        Payment, verbose_name=_("payment"), on_delete=models.PROTECT, related_name="refunds"
    )
    out_request_no = models.CharField("out_request_no", max_length=64, unique=True)
    amount = MoneyField(_("amount (yuan)"))
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.REQUESTED
    )
    cause = models.CharField(_("cause"), max_length=10, choices=Cause.choices)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("requested by"),
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
    )
    restocks = models.BooleanField(_("goods come back"), default=False)
    last_answer = models.CharField(_("last answer"), max_length=200, blank=True)
    done_at = models.DateTimeField(_("refunded at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = DueQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=SMALLEST), name="refund_amount_bounds")
        ]

    def __str__(self) -> str:
        return self.out_request_no

    @property
    def is_late(self) -> bool:
        """Whether the money came when nobody wanted it any more."""
        return self.cause == Refund.Cause.LATE

    @property
    def is_open(self) -> bool:
        return self.status in (Refund.Status.REQUESTED, Refund.Status.UNKNOWN)

    def pause(self) -> timedelta:
        return REFUND_LADDER[min(self.tries, len(REFUND_LADDER)) - 1]

    @transaction.atomic
    def mark_done(self) -> bool:
        """Record that the money went back; tell payment and order when it was all of it.

        Return whether this call was the first.
        """
        payment = Payment.objects.select_for_update(of=("self",)).get(pk=self.payment_id)
        first = self._end(Refund.Status.DONE, done_at=timezone.now())
        if first and payment.refunded() == payment.amount:
            payment.status = Payment.Status.REFUNDED
            payment.save(update_fields=["status", "updated_at"])
            # Another payment of the same order may stand.
            if payment.order.transaction_id == payment.trade_no:
                payment.order.mark_refunded()
        if first and self.restocks:
            payment.order.restock()
        return first

    def mark_failed(self, answer: str) -> bool:
        """Record that Alipay will not do it; return whether this call was the first."""
        return self._end(Refund.Status.FAILED, last_answer=answer[:200])

    def note(self, answer: str) -> None:
        """Record that nobody knows yet; it is asked about again."""
        open_ones = Refund.objects.filter(pk=self.pk, due_at__isnull=False)
        open_ones.update(status=Refund.Status.UNKNOWN, last_answer=answer[:200])

    def _end(self, status: str, **fields: Any) -> bool:
        open_ones = Refund.objects.filter(pk=self.pk, due_at__isnull=False)
        fields |= {"status": status, "due_at": None, "updated_at": timezone.now()}
        return bool(open_ones.update(**fields))

    mark_done.alters_data = True  # type: ignore[attr-defined]
    mark_failed.alters_data = True  # type: ignore[attr-defined]
    note.alters_data = True  # type: ignore[attr-defined]


class Notice(models.Model):
    """One call of Alipay, or of somebody in its name, as it came."""

    class Verdict(models.TextChoices):
        RECEIVED = "RECEIVED", _("Received")  # stored, and nothing more yet
        SETTLED = "SETTLED", _("Settled")  # the first evidence of this payment
        REPEATED = "REPEATED", _("Repeated")  # known already, nothing to do
        CLOSED = "CLOSED", _("Closed")  # the trade was closed
        REFUND = "REFUND", _("Of a refund")  # one that the shop asked for
        REFUSED = "REFUSED", _("Refused")  # `reason` says which check it failed

    received_at = models.DateTimeField(_("received at"), auto_now_add=True)
    raw = models.TextField(_("as it came"))
    verdict = models.CharField(
        _("verdict"), max_length=10, choices=Verdict.choices, default=Verdict.RECEIVED
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    notify_id = models.CharField("notify_id", max_length=MAX_WORD, blank=True)
    out_trade_no = models.CharField("out_trade_no", max_length=MAX_WORD, blank=True, db_index=True)
    trade_no = models.CharField("trade_no", max_length=MAX_WORD, blank=True)
    trade_status = models.CharField("trade_status", max_length=MAX_WORD, blank=True)
    payment = models.ForeignKey(
        Payment,
        verbose_name=_("payment"),
        on_delete=models.PROTECT,
        related_name="notices",
        null=True,
        blank=True,
    )

    class Meta:
        ordering = ["-id"]
        verbose_name = _("Alipay notice")
        verbose_name_plural = _("Alipay notices")

    def __str__(self) -> str:
        return f"{self.out_trade_no or '-'} {self.trade_status or '-'} {self.verdict}"

    def judge(self, verdict: str, *, reason: str = "", payment: Payment | None = None) -> None:
        """Write down what it says, and what came of it."""
        self.verdict, self.reason, self.payment = verdict, reason[:200], payment
        self.save(force_update=True)

    judge.alters_data = True  # type: ignore[attr-defined]
