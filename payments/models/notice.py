"""One call of Alipay, or of somebody in its name, as it came."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.alters_data import alters_data
from core.money import MoneyField
from orders.models import Event
from payments.models.payment import Payment
from users.models import User

# What a notice says in one word, genuine or not, is kept to this length; `raw` has all of it.
MAX_WORD = 128
# Of what Alipay did not sign so much is kept: characters each, how many, and how long.
SAMPLE = 2048
MAX_SAMPLES = 10_000
SAMPLE_DAYS = timedelta(days=30)
# After so many samples those that are too many are dropped.
EVERY = 100


class NoticeQuerySet(models.QuerySet["Notice"]):
    def keep_sample(self, raw: str, *, reason: str) -> Notice:
        """Keep the beginning of a call that Alipay did not sign: nobody can fill the disk."""
        notice = self.create(
            raw=raw[:SAMPLE],
            sha256=digest(raw),
            is_genuine=False,
            verdict=Notice.Verdict.REFUSED,
            reason=reason[:200],
        )
        if notice.pk % EVERY == 0:
            self.drop_samples()
        return notice

    def drop_samples(self) -> None:
        """Forget the samples that are too many, or too old."""
        samples = self.filter(is_genuine=False)
        ids = samples.order_by("-id").values_list("id", flat=True)
        last = ids[MAX_SAMPLES - EVERY : MAX_SAMPLES - EVERY + 1].first() or 0
        is_old = Q(received_at__lt=timezone.now() - SAMPLE_DAYS)
        samples.filter(Q(id__lte=last) | is_old).delete()

    def shorten_old(self) -> None:
        """Keep, of what Alipay sent years ago, its hash, its verdict and what it says of money."""
        years = timedelta(days=365 * settings.NOTICE_YEARS)
        old = self.filter(received_at__lt=timezone.now() - years).exclude(raw="")
        for notice in old.iterator(chunk_size=1000):
            self.filter(pk=notice.pk).update(sha256=notice.sha256 or digest(notice.raw), raw="")


def digest(raw: str) -> str:
    return sha256(raw.encode()).hexdigest()


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
    raw = models.TextField(_("as it came"), blank=True)
    # Of the whole call, where `raw` is not all of it.
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    is_genuine = models.BooleanField(_("signed by Alipay"), default=True)
    verdict = models.CharField(
        _("verdict"), max_length=10, choices=Verdict.choices, default=Verdict.RECEIVED
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    notify_id = models.CharField("notify_id", max_length=MAX_WORD, blank=True)
    out_trade_no = models.CharField("out_trade_no", max_length=MAX_WORD, blank=True, db_index=True)
    trade_no = models.CharField("trade_no", max_length=MAX_WORD, blank=True)
    trade_status = models.CharField("trade_status", max_length=MAX_WORD, blank=True)
    total_amount = MoneyField("total_amount", null=True, blank=True)
    payment = models.ForeignKey(
        Payment,
        verbose_name=_("payment"),
        on_delete=models.PROTECT,
        related_name="notices",
        null=True,
        blank=True,
    )

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], condition=Q(is_genuine=False), name="notice_samples"),
            models.Index(fields=["received_at"], name="notice_received_at"),
        ]
        verbose_name = _("Alipay notice")
        verbose_name_plural = _("Alipay notices")
        permissions = [("replay_notice", _("Can replay an Alipay notice"))]

    def __str__(self) -> str:
        return f"{self.out_trade_no or '-'} {self.trade_status or '-'} {self.verdict}"

    @property
    def is_replayable(self) -> bool:
        """Whether nothing came of it, refused or not judged to its end, and all of it is there."""
        is_open = self.verdict in (Notice.Verdict.REFUSED, Notice.Verdict.RECEIVED)
        return is_open and self.sha256 in ("", digest(self.raw))

    @alters_data
    @transaction.atomic(savepoint=False)
    def record_verdict(
        self,
        verdict: str,
        *,
        reason: str = "",
        payment: Payment | None = None,
        by: User | None = None,
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
