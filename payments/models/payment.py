"""One attempt to pay one order, and when it is settled."""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Self

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.alters_data import alters_data
from core.due import Due, DueQuerySet
from core.money import SMALLEST, MoneyField
from orders.models import Event, Order, PaymentMethod
from payments import journal
from payments.alipay import MAX_QR_CODE, Trade
from payments.exceptions import OrderNotPayable, Refused

logger = logging.getLogger(__name__)

# Alipay gives a payer one minute at least.
SHORTEST_TIME = timedelta(minutes=1)
# An attempt is asked about for the first time so soon, for the notice that never comes.
FIRST_ASKED = timedelta(seconds=15)
# While the buyer looks at the payment page, it is asked about at this pace.
LOOKED_AT = timedelta(seconds=20)
# What is unclear after the time to pay is asked about at this pace.
AFTER_TIME = timedelta(minutes=1)
# Alipay's clock and ours may differ: a trade that was never born is over when this has passed.
GRACE = timedelta(minutes=1)


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
            due_at=timezone.now() + FIRST_ASKED,
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

    It is due to be asked about until Alipay has said what became of it. It is a `Movement`.
    """

    RETRY_DELAYS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=10))

    class Status(models.TextChoices):
        PENDING = "PENDING", _("Waiting for payment")  # the buyer was sent to Alipay
        PAID = "PAID", _("Paid")  # evidence that Alipay signed: settle()
        CLOSED = "CLOSED", _("Closed")  # Alipay says that it cannot be paid any more
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

    def retry_delay(self) -> timedelta:
        """Wait as for any row, but not beyond the time at which the attempt is over."""
        left = self.time_expire + GRACE - timezone.now()
        if left <= timedelta():
            return AFTER_TIME
        return min(super().retry_delay(), left + timedelta(seconds=1))

    def match(self, trade: Trade) -> None:
        """Raise Refused unless the trade is this payment, to the fen."""
        if trade.out_trade_no != self.out_trade_no:
            raise Refused("out_trade_no", "of another payment")
        if trade.total_amount != self.amount:
            raise Refused("total_amount", f"{trade.total_amount} instead of {self.amount}")
        if self.trade_no not in ("", trade.trade_no):
            raise Refused("trade_no", "another trade paid this already")

    @alters_data
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
        if payment.has_moved:
            return False

        payment.status = Payment.Status.PAID
        payment.trade_no = trade.trade_no
        payment.paid_at = trade.gmt_payment or timezone.now()
        payment.due_at = payment.unclear_since = None
        payment.save(
            update_fields=["status", "trade_no", "paid_at", "due_at", "unclear_since", "updated_at"]
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
        refund = self.refunds.of_late_money_of(self)
        self.order.record(Event.What.REFUND_REQUESTED, about=refund.out_request_no)

    @alters_data
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
    def is_late_money(self) -> bool:
        """Whether its money came when nobody wanted it any more: it is not what paid the order."""
        return bool(self.trade_no) and self.order.transaction_id != self.trade_no

    @property
    def out_request_no(self) -> str:
        return ""

    @property
    def payment_id(self) -> int:
        return self.pk

    @property
    def refund_id(self) -> None:
        return None

    @property
    def has_moved(self) -> bool:
        return self.status in PAID_STATUSES

    @property
    def may_have_moved(self) -> bool:
        return not self.has_moved

    @property
    def is_refundable(self) -> bool:
        return self.status == Payment.Status.PAID and self.refundable() > 0

    def refunded(self) -> Decimal:
        """Return how much has gone back."""
        return self.refunds.done().total()

    def refundable(self) -> Decimal:
        """Return how much may still go back: what is being refunded counts as gone."""
        return self.amount - self.refunds.standing().total()

    def refunded_by_one(self) -> Decimal:
        """Return how much one operator alone has sent back, or is about to."""
        return self.refunds.standing().by_one().total()


# Their money came, whatever became of it.
PAID_STATUSES = (Payment.Status.PAID, Payment.Status.REFUNDED)
