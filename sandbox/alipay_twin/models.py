"""What Alipay remembers: merchants, buyers, trades, refunds, notices and their attempts.

Money is in fen. Times are the sandbox clock's. A trade's row begins as a mere request (no trade_no,
no status): Alipay creates the trade itself only when a buyer opens it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models
from django.utils.translation import gettext as _

from .money import yuan


class Merchant(models.Model):
    """An app of a merchant: who may call the gateway, and the balance its sales go to."""

    app_id = models.CharField(max_length=32, unique=True)
    seller_id = models.CharField(max_length=30, unique=True)
    name = models.CharField(max_length=64)
    app_public_key = models.TextField()
    balance = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} {self.app_id}"


class Buyer(models.Model):
    """A test buyer, with endless money."""

    user_id = models.CharField(max_length=16, unique=True)
    logon_id = models.CharField(max_length=100, unique=True)
    password = models.CharField(max_length=32, default="111111")

    def __str__(self) -> str:
        return self.logon_id

    @property
    def masked(self) -> str:
        """``buy***@sandbox.com``, ``159****5620``."""
        name, at, host = self.logon_id.partition("@")
        return f"{name[:3]}***@{host}" if at else f"{name[:3]}****{name[-4:]}"


class TradeProduct(models.TextChoices):
    PAGE = "page", "alipay.trade.page.pay"
    WAP = "wap", "alipay.trade.wap.pay"
    PRECREATE = "precreate", "alipay.trade.precreate"


class TradeStatus(models.TextChoices):
    NOT_OPENED = "", "requested, opened by nobody yet"
    WAIT_BUYER_PAY = "WAIT_BUYER_PAY"
    TRADE_SUCCESS = "TRADE_SUCCESS"
    TRADE_CLOSED = "TRADE_CLOSED"
    TRADE_FINISHED = "TRADE_FINISHED"


LONGEST_HISTORY = 200


@dataclass(frozen=True)
class Event:
    """A line in a trade's history."""

    at: datetime
    kind: str
    detail: str

    @property
    def label(self) -> str:
        """What happened, as the console shows it."""
        return {
            "asked": _("Asked for by the merchant"),
            "asked again": _("Asked for again by the merchant"),
            "opened": _("Opened by the buyer"),
            "paid": _("Paid"),
            "closed": _("Closed by the merchant"),
            "cancelled": _("Cancelled by the merchant"),
            "timed out": _("Closed: not paid in time"),
            "refunded": _("Refunded"),
            "finished": _("Finished: the refund window is over"),
        }.get(self.kind, self.kind)


class Trade(models.Model):
    """One ``out_trade_no`` of one merchant, from the request to the end."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="trades")
    out_trade_no = models.CharField(max_length=64)
    product = models.CharField(max_length=16, choices=TradeProduct)
    token = models.CharField(max_length=32, unique=True)
    qr = models.CharField(max_length=32, unique=True)

    total = models.BigIntegerField()
    subject = models.CharField(max_length=256)
    extras = models.JSONField(default=dict)  # body, passback_params, store_id, terminal_id ...
    notify_url = models.CharField(max_length=256, blank=True)
    return_url = models.CharField(max_length=256, blank=True)
    quit_url = models.CharField(max_length=400, blank=True)
    charset = models.CharField(max_length=10, default="utf-8")
    requested_at = models.DateTimeField()
    timeout = models.CharField(max_length=8, blank=True)  # timeout_express, from the opening on
    expires_at = models.DateTimeField(null=True)
    scan_before = models.DateTimeField(null=True)

    # Null, not "": it is unique among those that were opened.
    trade_no = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001
    status = models.CharField(max_length=16, choices=TradeStatus, default=TradeStatus.NOT_OPENED)
    buyer = models.ForeignKey(Buyer, on_delete=models.PROTECT, null=True)
    created_at = models.DateTimeField(null=True)
    paid_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    finish_at = models.DateTimeField(null=True)  # the refund window ends
    refunded = models.BigIntegerField(default=0)
    fee = models.BigIntegerField(default=0)
    fee_returned = models.BigIntegerField(default=0)
    history: Any = models.JSONField(default=list)  # [at, kind, detail], the latest last

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "out_trade_no"], name="one_trade_a_number"),
            models.CheckConstraint(
                condition=models.Q(refunded__gte=0, refunded__lte=models.F("total")),
                name="refunds_within_total",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "expires_at"]),
            models.Index(fields=["status", "finish_at"]),
        ]

    def __str__(self) -> str:
        return self.out_trade_no

    @property
    def is_opened(self) -> bool:
        return self.status != TradeStatus.NOT_OPENED

    @property
    def opened_by(self) -> Buyer:
        """The buyer who opened it."""
        if self.buyer is None:
            raise LookupError(f"nobody has opened {self}")
        return self.buyer

    @property
    def is_waiting(self) -> bool:
        return self.status == TradeStatus.WAIT_BUYER_PAY

    @property
    def is_paid(self) -> bool:
        return self.paid_at is not None

    def record(self, at: datetime, kind: str, detail: str = "") -> None:
        """Add a line to the history; the caller saves it with the change it tells of."""
        self.history = [*self.history[-LONGEST_HISTORY:], [at.isoformat(), kind, detail]]

    record.alters_data = True  # type: ignore[attr-defined]

    @property
    def events(self) -> list[Event]:
        """The history, to read."""
        return [Event(datetime.fromisoformat(at), kind, text) for at, kind, text in self.history]

    @property
    def total_amount(self) -> str:
        return yuan(self.total)

    @property
    def refund_fee(self) -> str:
        return yuan(self.refunded)


class Refund(models.Model):
    """Money that went back, once, under one ``out_request_no``."""

    trade = models.ForeignKey(Trade, on_delete=models.CASCADE, related_name="refunds")
    out_request_no = models.CharField(max_length=64)
    amount = models.BigIntegerField()
    total_so_far = models.BigIntegerField()
    fee_returned = models.BigIntegerField(default=0)
    reason = models.CharField(max_length=256, blank=True)
    operator_id = models.CharField(max_length=30, blank=True)
    at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["trade", "out_request_no"], name="one_refund_a_number")
        ]

    def __str__(self) -> str:
        return self.out_request_no

    @property
    def refund_amount(self) -> str:
        return yuan(self.amount)


class LedgerEntry(models.Model):
    """A movement on a merchant's account."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="ledger")
    trade = models.ForeignKey(Trade, on_delete=models.CASCADE, null=True)
    at = models.DateTimeField(db_index=True)
    kind = models.CharField(max_length=16)
    amount = models.BigIntegerField()
    balance = models.BigIntegerField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {yuan(self.amount)}"


class Notice(models.Model):
    """One message to a merchant. It is written with the change it tells of, and sent afterwards."""

    class State(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"  # the merchant said success
        GIVEN_UP = "given up"  # the ladder has ended
        DROPPED = "dropped"  # by the notify policy: never sent by itself

    notify_id = models.CharField(max_length=128, unique=True)
    trade = models.ForeignKey(Trade, on_delete=models.CASCADE, related_name="notices")
    trade_status = models.CharField(max_length=16)
    url = models.CharField(max_length=256)
    fields: Any = models.JSONField()  # as signed, without notify_time, sign_type and sign
    made_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    retries = models.PositiveSmallIntegerField(default=0)  # how many steps of the ladder were taken
    copies = models.PositiveSmallIntegerField(default=0)  # duplicates still owed
    due_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["state", "due_at"])]

    def __str__(self) -> str:
        return self.notify_id


class Attempt(models.Model):
    """One try to tell the merchant, and what it answered."""

    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    error = models.CharField(max_length=300, blank=True)
    milliseconds = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.status or self.error}"


class Fault(models.Model):
    """What is to go wrong, for whom, and how many times."""

    app_id = models.CharField(max_length=32, blank=True)
    method = models.CharField(max_length=128, blank=True)
    out_trade_no = models.CharField(max_length=64, blank=True)
    kind = models.CharField(max_length=24)
    when = models.CharField(max_length=8)
    times = models.PositiveIntegerField(null=True)
    seconds = models.FloatField(default=20)
    code = models.CharField(max_length=8, blank=True)
    sub_code = models.CharField(max_length=64, blank=True)
    used = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.when}"


class BillLink(models.Model):
    """A link to a bill, good for thirty seconds."""

    token = models.CharField(max_length=32, unique=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE)
    bill_type = models.CharField(max_length=32)
    bill_date = models.CharField(max_length=10)
    issued_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.token


class StoredValue(models.Model):
    """A value by its name: the clock, the settings, the notify policy."""

    name = models.CharField(max_length=32, primary_key=True)
    value: Any = models.JSONField()

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def store(name: str, value: Any) -> None:
        """Write a value, or write over the one of that name."""
        StoredValue.objects.bulk_create(
            [StoredValue(name=name, value=value)],
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=["value"],
        )
