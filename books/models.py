"""Alipay's bills, what in them is not as it is here, and what audits found."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from books.bill_file import MAX_NUMBER, Totals
from books.exceptions import DifferenceNotOpen
from core.alters_data import alters_data
from core.due import Due, DueQuerySet
from core.fields import ByField
from core.money import MoneyField
from payments.alipay import BEIJING
from users.models import User

# When a day's bill is fetched, the next morning in Beijing: Alipay makes it at about nine.
READY = time(10)
# Whoever reads a bill says so again and again; who was silent for so long is gone.
SILENCE = timedelta(minutes=5)
# No more is kept of what could not be read.
MAX_RAW = 8 * 1024 * 1024


def midnight(day: date) -> datetime:
    """Return the instant at which a day begins in Beijing."""
    return datetime.combine(day, time(), BEIJING)


class BillManager(models.Manager.from_queryset(DueQuerySet)):  # type: ignore[misc]
    def get_queryset(self) -> Any:
        return super().get_queryset().defer("raw")

    def expect(self, first: date) -> None:
        """Make a row for each day from the first one on whose bill should be there by now."""
        now = timezone.now().astimezone(BEIJING)
        last = now.date() - timedelta(days=1 if now.time() >= READY else 2)
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        expected = self.filter(day__gte=first, day__lte=last)
        if expected.count() < len(days):
            known = set(expected.values_list("day", flat=True))
            missing = [Bill(day=day, due_at=now) for day in days if day not in known]
            self.bulk_create(missing, ignore_conflicts=True)


class Bill(Due):
    """Alipay's bill of one day. It is due until it was read, or there is none to be read."""

    # While it is not there yet, or cannot be read.
    RETRY_DELAYS = (
        *(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30)),
        *(timedelta(hours=1) for _again in range(24)),
        timedelta(hours=6),
    )

    class Status(models.TextChoices):
        WAITING = "WAITING", _("Not read yet")  # `reason` says what Alipay answered
        READ = "READ", _("Read")  # to its last row, and compared
        EMPTY = "EMPTY", _("Nothing happened")  # Alipay makes no bill of such a day
        MALFORMED = "MALFORMED", _("Unreadable")  # kept in `raw`; none of it was believed

    day = models.DateField(_("day"), unique=True)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.WAITING
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    # In the database and not among the files: those are everybody's.
    raw = models.BinaryField(_("as it came"), null=True)
    payments = models.PositiveIntegerField(_("payments"), default=0)
    paid = models.DecimalField(_("paid (yuan)"), max_digits=17, decimal_places=2, default=0)
    refunds = models.PositiveIntegerField(_("refunds"), default=0)
    refunded = models.DecimalField(_("refunded (yuan)"), max_digits=17, decimal_places=2, default=0)
    fees = models.DecimalField(_("fees (yuan)"), max_digits=17, decimal_places=2, default=0)
    fetched_at = models.DateTimeField(_("fetched at"), null=True, blank=True)
    runs = models.PositiveIntegerField(_("times begun"), default=0)
    busy_until = models.DateTimeField(_("being read until"), null=True, editable=False)

    objects = BillManager()

    class Meta:
        ordering = ["-day"]
        verbose_name = _("Alipay bill")
        verbose_name_plural = _("Alipay bills")

    def __str__(self) -> str:
        return self.day.isoformat()

    @property
    def is_done(self) -> bool:
        return self.status in (Bill.Status.READ, Bill.Status.EMPTY)

    @alters_data
    def begin(self) -> bool:
        """Become the one who reads it; return whether nobody else does.

        Until it was read it is due again, should whoever reads it die.
        """
        now = timezone.now()
        free = Q(busy_until__isnull=True) | Q(busy_until__lt=now)
        again_at = now + self.retry_delay()
        is_mine = (
            self._me()
            .filter(free)
            .update(busy_until=now + SILENCE, due_at=again_at, runs=F("runs") + 1)
        )
        self.refresh_from_db(fields=["status", "due_at", "runs"])
        return bool(is_mine)

    @alters_data
    def still_busy(self) -> None:
        self._me().update(busy_until=timezone.now() + SILENCE)

    @alters_data
    def end(self) -> None:
        self._me().update(busy_until=None)

    @alters_data
    def mark_waiting(self, reason: str) -> None:
        """Record why it cannot be had now; one that was read before stays so."""
        status = self.status if self.is_done else Bill.Status.WAITING
        self._change(status, reason=reason[:200])

    @alters_data
    def mark_gone(self) -> None:
        """Record that Alipay has it no more; what was read of it stands."""
        self._change(self.status, reason="BILL_NOT_EXIST", due_at=None)

    @alters_data
    def mark_malformed(self, reason: str, *, raw: bytes) -> None:
        """Record that it cannot be read, and keep it."""
        self._change(Bill.Status.MALFORMED, reason=reason[:200], raw=raw[:MAX_RAW])

    @alters_data
    def mark_empty(self) -> None:
        """Record that there is none, and will be none."""
        self._change(Bill.Status.EMPTY, due_at=None, raw=None, **vars(Totals()))

    @alters_data
    def mark_read(self, totals: Totals, *, unclear: int) -> None:
        """Record what it came to; it is due again when Alipay left something unclear."""
        reason = f"{unclear} unclear answers" if unclear else ""
        due_at = self.due_at if unclear else None
        self._change(Bill.Status.READ, reason=reason, due_at=due_at, raw=None, **vars(totals))

    @alters_data
    def ask_again(self) -> None:
        """Have the worker read it once more, at once."""
        self._me().update(due_at=timezone.now(), tries=0)

    def _me(self) -> models.QuerySet[Bill]:
        return Bill.objects.filter(pk=self.pk)

    def _change(self, status: str, *, reason: str = "", **fields: Any) -> None:
        fields |= {"status": status, "reason": reason, "fetched_at": timezone.now()}
        self._me().update(**fields)
        self.refresh_from_db(fields=[name for name in fields if name != "raw"])


class DifferenceQuerySet(models.QuerySet["Difference"]):
    def open(self) -> DifferenceQuerySet:
        return self.filter(status=Difference.Status.OPEN)

    @alters_data
    def mend(self) -> int:
        """Record that what was open is no more; return how many there were."""
        return self.open().update(status=Difference.Status.MENDED, resolved_at=timezone.now())

    @alters_data
    def reopen(self) -> int:
        """Record that these wait for somebody again; return how many there were."""
        return self.update(
            status=Difference.Status.OPEN, resolved_at=None, resolved_by=None, resolution=""
        )


class Difference(models.Model):
    """One row of a bill, or of ours, that the other side does not have, or has otherwise.

    However often a bill is read again, it is the same one.
    """

    class Kind(models.TextChoices):
        ONLY_HERE = "ONLY_HERE", _("Only here")
        ONLY_THERE = "ONLY_THERE", _("Only at Alipay")
        AMOUNT = "AMOUNT", _("Another amount")
        STATUS = "STATUS", _("Another status")

    class Movement(models.TextChoices):
        PAYMENT = "PAYMENT", _("Payment")
        REFUND = "REFUND", _("Refund")
        FEE = "FEE", _("Fee")  # of either

    class Status(models.TextChoices):
        OPEN = "OPEN", _("Open")  # until one of these two
        MENDED = "MENDED", _("Mended by itself")  # no longer there when the bill was read again
        RESOLVED = "RESOLVED", _("Resolved")  # somebody says why it may stand

    # What a run of the bill finds, and another may find otherwise.
    AS_FOUND = (
        "trade_no",
        "our_amount",
        "their_amount",
        "our_status",
        "their_status",
        "payment_id",
        "refund_id",
    )

    bill = models.ForeignKey(
        Bill, verbose_name=_("bill"), on_delete=models.PROTECT, related_name="differences"
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    movement = models.CharField(_("movement"), max_length=10, choices=Movement.choices)
    out_trade_no = models.CharField("out_trade_no", max_length=MAX_NUMBER)
    out_request_no = models.CharField("out_request_no", max_length=MAX_NUMBER, blank=True)
    trade_no = models.CharField("trade_no", max_length=MAX_NUMBER, blank=True)
    our_amount = MoneyField(_("our amount (yuan)"), null=True, blank=True)
    their_amount = MoneyField(_("Alipay's amount (yuan)"), null=True, blank=True)
    our_status = models.CharField(_("our status"), max_length=20, blank=True)
    their_status = models.CharField(_("Alipay's status"), max_length=20, blank=True)
    payment = models.ForeignKey(
        "payments.Payment",
        verbose_name=_("payment"),
        on_delete=models.PROTECT,
        related_name="differences",
        null=True,
        blank=True,
    )
    refund = models.ForeignKey(
        "payments.Refund",
        verbose_name=_("refund"),
        on_delete=models.PROTECT,
        related_name="differences",
        null=True,
        blank=True,
    )
    status = models.CharField(
        _("state"), max_length=10, choices=Status.choices, default=Status.OPEN, db_index=True
    )
    found_at = models.DateTimeField(_("found at"), auto_now_add=True)
    # Which run of the bill found it last: clocks may go back, this does not.
    seen_in = models.PositiveIntegerField(_("last seen in run"))
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)
    resolved_by = ByField(_("resolved by"), null=True)
    resolution = models.CharField(_("resolution"), max_length=200, blank=True)

    objects = DifferenceQuerySet.as_manager()

    class Meta:
        ordering = ["-bill__day", "id"]
        verbose_name = _("difference")
        verbose_name_plural = _("differences")
        constraints = [
            models.UniqueConstraint(
                fields=["bill", "kind", "movement", "out_trade_no", "out_request_no"],
                name="difference_once",
            ),
            models.CheckConstraint(
                condition=~Q(status="RESOLVED") | ~Q(resolution=""), name="difference_has_a_reason"
            ),
        ]
        permissions = [("resolve_difference", _("Can resolve a difference"))]

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind, self.out_trade_no, self.out_request_no)))

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is known by within its bill."""
        return self.kind, self.movement, self.out_trade_no, self.out_request_no

    def is_like(self, other: Difference) -> bool:
        """Whether it says the same: whoever resolved the one has resolved the other."""
        return all(getattr(self, name) == getattr(other, name) for name in Difference.AS_FOUND)

    @property
    def is_open(self) -> bool:
        return self.status == Difference.Status.OPEN

    @property
    def advice(self) -> Any:
        """Say what to do about it."""
        return ADVICE[self.kind, self.movement]

    @alters_data
    def resolve(self, *, reason: str, by: User) -> None:
        """Record why it may stand; raise DifferenceNotOpen when somebody, or a run, was faster."""
        resolved = Difference.objects.open().filter(pk=self.pk)
        if not resolved.update(
            status=Difference.Status.RESOLVED,
            resolution=reason,
            resolved_by=by,
            resolved_at=timezone.now(),
        ):
            raise DifferenceNotOpen


_PAID_NOT_BILLED = _(
    "This payment is paid here, and not in Alipay's bill. Look its trade_no up in Alipay's "
    "console; if it is not there, send no goods, and ask Alipay's support."
)
_REFUND_NOT_BILLED = _(
    "This refund is done here, and not in Alipay's bill. Look the trade up in Alipay's console; if "
    "the money did not go back, ask Alipay's support with its trade_no and out_request_no."
)
_PAYMENT_NOT_HERE = _(
    "Alipay took money for a number that this shop does not know: perhaps another program sells "
    "with the same account. Look it up in Alipay's console; if it is nobody's, give it back there."
)
_REFUND_NOT_HERE = _(
    "Alipay gave money back that this shop knows nothing of, and could not be imported. Look it "
    "up in Alipay's console, then run the day again."
)
_AMOUNT = _(
    "Alipay moved another amount than is written here. Compare with Alipay's console before "
    "anything else is refunded; say here what it was."
)
_FEE = _(
    "Alipay's bill names another fee than is in the journal, where nothing is changed. Compare "
    "with Alipay's console, and tell the bookkeeper."
)
_PAYMENT_STATUS = _(
    "Alipay took the money, and here it is not paid. Run the day again: Alipay is asked about it. "
    "If it stays, the money went back in Alipay's console already; look there, and say so here."
)
_REFUND_STATUS = _(
    "Alipay gave the money back, and here the refund is not done. Approve it, or try it again, on "
    "the refund's page: its number keeps the money from moving twice."
)
ADVICE: dict[tuple[str, str], Any] = {
    (Difference.Kind.ONLY_HERE, Difference.Movement.PAYMENT): _PAID_NOT_BILLED,
    (Difference.Kind.ONLY_HERE, Difference.Movement.REFUND): _REFUND_NOT_BILLED,
    (Difference.Kind.ONLY_THERE, Difference.Movement.PAYMENT): _PAYMENT_NOT_HERE,
    (Difference.Kind.ONLY_THERE, Difference.Movement.REFUND): _REFUND_NOT_HERE,
    (Difference.Kind.AMOUNT, Difference.Movement.PAYMENT): _AMOUNT,
    (Difference.Kind.AMOUNT, Difference.Movement.REFUND): _AMOUNT,
    (Difference.Kind.AMOUNT, Difference.Movement.FEE): _FEE,
    (Difference.Kind.STATUS, Difference.Movement.PAYMENT): _PAYMENT_STATUS,
    (Difference.Kind.STATUS, Difference.Movement.REFUND): _REFUND_STATUS,
}


class AuditReport(models.Model):
    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)
    count = models.PositiveIntegerField(_("findings"))
    findings = models.JSONField(_("what does not add up"), default=list)
    seconds = models.FloatField(_("took (seconds)"))

    class Meta:
        ordering = ["-id"]
        verbose_name = _("audit report")
        verbose_name_plural = _("audit reports")

    def __str__(self) -> str:
        return f"{timezone.localtime(self.at):%Y-%m-%d %H:%M} {self.count}"
