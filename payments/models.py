"""An attempt to pay an order, and everything that Alipay sent about it."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.money import SMALLEST, MoneyField
from orders.models import Order, PaymentMethod
from payments.alipay import Trade
from payments.exceptions import OrderNotPayable, Refused

logger = logging.getLogger(__name__)

# Alipay gives a payer one minute at least.
SHORTEST_TIME = timedelta(minutes=1)
# What a notice says in one word, genuine or not, is kept to this length; `raw` has all of it.
MAX_WORD = 128


class PaymentQuerySet(models.QuerySet["Payment"]):
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
        )


class Payment(models.Model):
    """One attempt to pay one order: what Alipay calls a trade, by our number for it."""

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

        A cancelled order stays cancelled, yet the payment is recorded: money received is a fact.
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
        payment.save(update_fields=["status", "trade_no", "paid_at", "updated_at"])
        if payment.order.mark_paid(
            payment_method=PaymentMethod.ALIPAY,
            transaction_id=payment.trade_no,
            paid_at=payment.paid_at,
        ):
            logger.info("Order %s: paid by trade %s", payment.order, payment.trade_no)
        else:
            logger.error(
                "Order %s: %s already, but trade %s was paid: the money must go back",
                payment.order,
                payment.order.status,
                payment.trade_no,
            )
        return True

    @transaction.atomic(savepoint=False)
    def close(self, trade: Trade) -> bool:
        """Record that Alipay closed the trade unpaid; a paid one is not unpaid by it.

        Return whether this call was the first.
        """
        self.match(trade)
        return bool(
            Payment.objects.filter(pk=self.pk, status=Payment.Status.PENDING).update(
                status=Payment.Status.CLOSED, updated_at=timezone.now()
            )
        )

    settle.alters_data = True  # type: ignore[attr-defined]
    close.alters_data = True  # type: ignore[attr-defined]


class Notice(models.Model):
    """One call of Alipay, or of somebody in its name, as it came."""

    class Verdict(models.TextChoices):
        RECEIVED = "RECEIVED", _("Received")  # stored, and nothing more yet
        SETTLED = "SETTLED", _("Settled")  # the first evidence of this payment
        REPEATED = "REPEATED", _("Repeated")  # known already, nothing to do
        CLOSED = "CLOSED", _("Closed")  # the trade was closed
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
