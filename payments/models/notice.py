"""One call of Alipay, or of somebody in its name, as it came."""

from __future__ import annotations

from typing import Any

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from core.alters_data import alters_data
from orders.models import Event
from payments.models.payment import Payment

# What a notice says in one word, genuine or not, is kept to this length; `raw` has all of it.
MAX_WORD = 128


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

    @alters_data
    @transaction.atomic(savepoint=False)
    def record_verdict(
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
