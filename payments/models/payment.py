"""An attempt to pay an order, and everything that Alipay sent about it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.due import Due, DueQuerySet
from core.money import SMALLEST, MoneyField, total
from orders.models import Event, Order, PaymentMethod
from payments import journal
from payments.alipay import MAX_QR_CODE, Trade
from payments.exceptions import OrderNotPayable, Refused
from payments.journal import JournalEntry
from products.models import StockMovement

# These have files of their own; Django looks for them here.
__all__ = [
    "JournalEntry",
    "Notice",
    "Payment",
    "Refund",
]

logger = logging.getLogger(__name__)

# Alipay gives a payer one minute at least.
SHORTEST_TIME = timedelta(minutes=1)
# What a notice says in one word, genuine or not, is kept to this length; `raw` has all of it.
MAX_WORD = 128
MAX_OUT_REQUEST_NO = 64
# When an open attempt is asked about: soon, for the notice that never comes, and ever more rarely.
LADDER = (
    *(timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=10)),
)
# While the buyer looks at the payment page, it is asked about at this pace.
LOOKED_AT = timedelta(seconds=20)
# What is unclear after the time to pay is asked about at this pace.
AFTER_TIME = timedelta(minutes=1)
# Alipay's clock and ours may differ: a trade that was never born is over when this has passed.
GRACE = timedelta(minutes=1)
# A refund that is unclear is tried again at this pace, ever more slowly.
REFUND_LADDER = (
    *(timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30)),
)


class PaymentQuerySet(DueQuerySet):
    def open(self) -> Self:
        """Return the attempts whose outcome Alipay has not said yet."""
        return self.filter(status=Payment.Status.PENDING)

    def chosen(self, order: Order) -> Payment | None:
        """Return the attempt that the buyer chose last."""
        return self.filter(order=order).order_by("-chosen_at", "-id").first()

    def look_sooner(self, order: Order) -> None:
        """Let the worker ask about an order's attempts soon: somebody waits for the answer."""
        now = timezone.now()
        far_off = self.open().filter(order=order, due_at__gt=now + LOOKED_AT)
        if far_off.exists():
            far_off.update(due_at=now + LOOKED_AT)

    def that_paid(self, order: Order) -> Payment | None:
        """Return the payment whose money the order has; a late one is not it."""
        return self.filter(order=order, trade_no=order.transaction_id or None).first()

    def late_money(self) -> Self:
        """Return what came in when nobody wanted it any more, and has not all gone back yet."""
        not_back = Refund.objects.filter(cause=Refund.Cause.LATE, status__in=NOT_DONE)
        return self.filter(status=Payment.Status.PAID, pk__in=not_back.values("payment"))

    @transaction.atomic
    def attempt(self, order: Order, *, kind: str = "page") -> Payment:
        """Return the open attempt to pay this order in this way, a new one if need be.

        Raise OrderNotPayable when it is paid, cancelled or too late. The row is there before the
        buyer gets the address to pay at, so no notice can come too early for it.
        """
        order = Order.objects.select_for_update().get(pk=order.pk)
        if not order.is_payable:
            raise OrderNotPayable
        attempts = list(self.filter(order=order).order_by("id"))
        for attempt in reversed(attempts):
            if attempt.is_open and attempt.kind == kind:
                attempt.chosen_at = timezone.now()
                attempt.save(update_fields=["chosen_at", "updated_at"])
                return attempt
        number = f"_{len(attempts) + 1}" if attempts else ""
        payment = self.create(
            order=order,
            kind=kind,
            out_trade_no=f"{order.order_id}{number}",
            amount=order.total_price,
            time_expire=max(order.expires_at, timezone.now() + SHORTEST_TIME),
            due_at=timezone.now() + LADDER[0],
        )
        order.record(
            Event.What.ATTEMPT_OPENED,
            about=payment.out_trade_no,
            evidence=Payment.Kind(kind).method,
            by=order.user,
        )
        return payment


class Payment(Due):
    """One attempt to pay one order: what Alipay calls a trade, by our number for it.

    It is due to be asked about until Alipay has said what became of it.
    """

    class Status(models.TextChoices):
        PENDING = "PENDING", _("Waiting for payment")  # the buyer was sent to Alipay
        PAID = "PAID", _("Paid")  # evidence that Alipay signed: settle()
        CLOSED = "CLOSED", _("Closed")  # Alipay says that it can not be paid any more
        REFUNDED = "REFUNDED", _("Refunded")  # all of the money went back

    class Kind(models.TextChoices):
        PAGE = "page", _("Computer")
        WAP = "wap", _("Phone")
        QR = "qr", _("QR code")

        @property
        def method(self) -> str:
            """Return Alipay's name for it."""
            return {"page": "alipay.trade.page.pay", "wap": "alipay.trade.wap.pay"}.get(
                self.value, "alipay.trade.precreate"
            )

    order = models.ForeignKey(
        Order,
        verbose_name=_("order"),
        on_delete=models.PROTECT,
        related_name="payments",
    )
    kind = models.CharField(_("way to pay"), max_length=4, choices=Kind.choices, default=Kind.PAGE)
    # What Alipay gave to be drawn as a QR code.
    qr_code = models.CharField("qr_code", max_length=MAX_QR_CODE, blank=True)
    out_trade_no = models.CharField("out_trade_no", max_length=64, unique=True)
    amount = MoneyField(_("amount (yuan)"))
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.PENDING
    )
    trade_no = models.CharField("trade_no", max_length=64, blank=True)
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True)
    billed_on = models.DateField(_("in the bill of"), null=True, blank=True)
    time_expire = models.DateTimeField(_("payable at Alipay until"))
    chosen_at = models.DateTimeField(_("chosen last at"), default=timezone.now)
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
        indexes = [
            models.Index(
                fields=["paid_at"], condition=Q(paid_at__isnull=False), name="payment_paid_at"
            ),
            models.Index(
                fields=["unclear_since"],
                condition=Q(unclear_since__isnull=False),
                name="payment_unclear",
            ),
        ]
        permissions = [("ask_payment", _("Can ask Alipay about a payment"))]

    def __str__(self) -> str:
        return self.out_trade_no

    @property
    def is_open(self) -> bool:
        return self.status == Payment.Status.PENDING

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
    def settle(self, trade: Trade, *, evidence: str = "") -> bool:
        """Record that Alipay holds this payment's money, and tell the order.

        The notice, the buyer's return and any query come here, in any order and any number of
        times: the first settles, the others change nothing. Return whether this call was the
        first. The trade must be ours to the fen, and paid; otherwise raise Refused and write
        nothing. ``evidence`` says where Alipay said so.

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
        payment.due_at = payment.unclear_since = None
        payment.save(
            update_fields=[
                *("status", "trade_no", "paid_at", "due_at", "unclear_since", "updated_at")
            ]
        )
        if payment.order.mark_paid(
            payment_method=PaymentMethod.ALIPAY,
            transaction_id=payment.trade_no,
            paid_at=payment.paid_at,
            evidence=evidence,
        ):
            journal.book(journal.What.SALE, amount=payment.amount, payment=payment)
            logger.info("Order %s: paid by trade %s", payment.order, payment.trade_no)
        else:
            payment._give_back_late_money(evidence)
        return True

    def _give_back_late_money(self, evidence: str) -> None:
        """Record money that nobody wanted any more, and that all of it is to go back."""
        logger.warning(
            "Order %s: %s already, but trade %s was paid: the money goes back",
            self.order,
            Order.objects.get(pk=self.order_id).status,
            self.trade_no,
        )
        self.order.record(Event.What.LATE_MONEY, about=self.out_trade_no, evidence=evidence)
        journal.book(journal.What.LATE_IN, amount=self.amount, payment=self)
        refund = Refund.objects.create(
            payment=self,
            amount=self.amount,
            out_request_no=f"{self.out_trade_no}_late",
            cause=Refund.Cause.LATE,
            due_at=timezone.now(),
        )
        self.order.record(Event.What.REFUND_REQUESTED, about=refund.out_request_no)

    @transaction.atomic(savepoint=False)
    def close(self, *, evidence: str = "") -> bool:
        """Record that Alipay takes no more money for it; a paid one is not unpaid by it.

        Return whether this call was the first.
        """
        is_first = bool(
            Payment.objects.filter(pk=self.pk, status=Payment.Status.PENDING).update(
                status=Payment.Status.CLOSED,
                due_at=None,
                unclear_since=None,
                updated_at=timezone.now(),
            )
        )
        if is_first:
            self.order.record(Event.What.ATTEMPT_CLOSED, about=self.out_trade_no, evidence=evidence)
        return is_first

    @property
    def is_late(self) -> bool:
        """Whether its money came when nobody wanted it any more: it is not what paid the order."""
        return bool(self.trade_no) and self.order.transaction_id != self.trade_no

    @property
    def is_refundable(self) -> bool:
        return self.status == Payment.Status.PAID and self.refundable() > 0

    def refunded(self) -> Decimal:
        """Return how much has gone back."""
        return self._sum_of(self.refunds.filter(status=Refund.Status.DONE))

    def refundable(self) -> Decimal:
        """Return how much may still go back: what is being refunded counts as gone."""
        return self.amount - self._sum_of(self.refunds.exclude(status__in=ENDED_IN_VAIN))

    def refunded_by_one(self) -> Decimal:
        """Return how much one operator alone has sent back, or is about to."""
        alone = self.refunds.filter(cause=Refund.Cause.OPERATOR, approved_by=None)
        return self._sum_of(alone.exclude(status__in=ENDED_IN_VAIN))

    def _sum_of(self, refunds: models.QuerySet[Refund]) -> Decimal:
        added: Decimal = refunds.aggregate(sum=total("amount"))["sum"]
        return added

    settle.alters_data = True  # type: ignore[attr-defined]
    close.alters_data = True  # type: ignore[attr-defined]


class RefundQuerySet(DueQuerySet):
    def of(self, order: Order) -> Self:
        """Return what an order's buyer is told of.

        Not of what a second operator declined, nor of what failed and came back by another refund.
        """
        in_vain = Q(status=Refund.Status.FAILED, payment__status=Payment.Status.REFUNDED)
        declined = Q(status=Refund.Status.DECLINED)
        return self.filter(payment__order=order).exclude(declined | in_vain)

    def of_sales(self) -> Self:
        """Return what lessens the revenue: late money that goes back never was any."""
        return self.exclude(cause=Refund.Cause.LATE)

    def failed(self) -> Self:
        """Return what Alipay refused, while it still holds money that could go back."""
        return self.filter(status=Refund.Status.FAILED, payment__status=Payment.Status.PAID)


class Refund(Due):
    """Money that goes back: asked for once, by a number that was written down before the call.

    It is due until Alipay has said that it is done, or that it never will be.
    """

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
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("requested by"),
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("approved by"),
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
    )
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
    def is_late(self) -> bool:
        """Whether the money came when nobody wanted it any more."""
        return self.cause == Refund.Cause.LATE

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_REFUNDS

    @property
    def is_waiting(self) -> bool:
        return self.status == Refund.Status.WAITING

    @property
    def has_failed(self) -> bool:
        return self.status == Refund.Status.FAILED

    def pause(self) -> timedelta:
        return REFUND_LADDER[min(self.tries, len(REFUND_LADDER)) - 1]

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
            journal.What.LATE_OUT if payment.is_late else journal.What.REFUND,
            amount=self.amount,
            payment=payment,
            refund=self,
        )
        if payment.refunded() >= payment.amount:
            payment.status = Payment.Status.REFUNDED
            payment.save(update_fields=["status", "updated_at"])
            # Another payment of the same order may stand.
            if not payment.is_late:
                payment.order.mark_refunded()
        if self.restocks:
            payment.order.restock(StockMovement.Cause.REFUND, by=self.requested_by)
        return True

    @transaction.atomic
    def mark_failed(self, answer: str) -> bool:
        """Record that Alipay will not do it; return whether this call was the first."""
        is_first = self._end(Refund.Status.FAILED, before=OPEN_REFUNDS, last_answer=answer[:200])
        if is_first:
            self.payment.order.record(
                Event.What.REFUND_FAILED, about=self.out_request_no, evidence=answer
            )
        return is_first

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

    mark_done.alters_data = True  # type: ignore[attr-defined]
    mark_failed.alters_data = True  # type: ignore[attr-defined]
    note.alters_data = True  # type: ignore[attr-defined]


# Alipay has been asked, or is to be.
OPEN_REFUNDS = (Refund.Status.REQUESTED, Refund.Status.UNKNOWN)
# Their money has not moved so far.
NOT_DONE = tuple(status for status in Refund.Status if status != Refund.Status.DONE)
# Their money did not move, and will not.
ENDED_IN_VAIN = (Refund.Status.FAILED, Refund.Status.DECLINED)


class Notice(models.Model):
    """One call of Alipay, or of somebody in its name, as it came."""

    class Verdict(models.TextChoices):
        RECEIVED = "RECEIVED", _("Received")  # stored, and nothing more yet
        SETTLED = "SETTLED", _("Settled")  # the first evidence of this payment
        REPEATED = "REPEATED", _("Repeated")  # known already, nothing to do
        CLOSED = "CLOSED", _("Closed")  # the trade was closed
        REFUND = "REFUND", _("Of a refund")  # one that the shop knows
        IMPORTED = "IMPORTED", _("Of a foreign refund")  # made in Alipay's console
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
        permissions = [("replay_notice", _("Can replay an Alipay notice"))]

    def __str__(self) -> str:
        return f"{self.out_trade_no or '-'} {self.trade_status or '-'} {self.verdict}"

    @property
    def is_replayable(self) -> bool:
        """Whether nothing came of it: refused, or not judged to its end."""
        return self.verdict in (Notice.Verdict.REFUSED, Notice.Verdict.RECEIVED)

    @transaction.atomic(savepoint=False)
    def judge(
        self, verdict: str, *, reason: str = "", payment: Payment | None = None, by: Any = None
    ) -> None:
        """Write down what it says, and what came of it; ``by`` is the operator who replayed it."""
        self.verdict, self.reason, self.payment = verdict, reason[:200], payment
        self.save(force_update=True)
        # The one that settled stands in the history as the evidence of what it brought about.
        if payment and (by or verdict != Notice.Verdict.SETTLED):
            payment.order.record(
                Event.What.NOTICE,
                about=payment.out_trade_no,
                evidence=f"{self.trade_status} {verdict} {self.notify_id}",
                by=by,
            )

    judge.alters_data = True  # type: ignore[attr-defined]
