"""A letter to a buyer: one for each event that a buyer wants to hear of."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.alters_data import alters_data
from core.due import Due, DueQuerySet
from core.fields import ByField
from orders.models import Event

MAX_ERROR = 200


class LetterQuerySet(DueQuerySet):
    def take(self) -> Letter | None:
        """Claim one letter that is due: nobody else has it until its next try is due."""
        claimed = self.filter(status=Letter.Status.WAITING).claim(at_most=1)
        return claimed[0] if claimed else None


class Letter(Due):
    # A whole day without a mail server, and then it is given up: a person sends it again.
    # The first delay is longer than any try lasts (EMAIL_TIMEOUT counts for each word of the
    # conversation), so that no two send it at once.
    RETRY_DELAYS = (
        timedelta(minutes=5),
        timedelta(minutes=15),
        timedelta(minutes=40),
        timedelta(hours=2),
        timedelta(hours=5),
        timedelta(hours=8),
        timedelta(hours=8),
    )
    MAX_TRIES = len(RETRY_DELAYS) + 1

    class Status(models.TextChoices):
        WAITING = "WAITING", _("Waiting to be sent")  # now, or again later
        SENT = "SENT", _("Sent")  # the mail server has taken it
        FAILED = "FAILED", _("Given up")  # after MAX_TRIES

    class Kind(models.TextChoices):
        PLACED = "PLACED", _("Order placed")
        PAID = "PAID", _("Order paid")
        CANCELLED = "CANCELLED", _("Order cancelled")
        EXPIRED = "EXPIRED", _("Order expired")
        REFUND_DONE = "REFUND_DONE", _("Money returned")

    event = models.ForeignKey(
        Event, verbose_name=_("event"), on_delete=models.PROTECT, related_name="letters"
    )
    # The first is written by itself; each further one by an operator.
    copy = models.PositiveSmallIntegerField(_("copy"), default=1)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    to = models.EmailField(_("to"), max_length=254)
    language = models.CharField(_("language"), max_length=10, choices=settings.LANGUAGES)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.WAITING
    )
    # In the letter's Message-ID: when a try that seemed to fail did arrive, mail programs show
    # the two as one.
    number = models.UUIDField(_("number"), default=uuid.uuid4, unique=True, editable=False)
    last_error = models.CharField(_("last error"), max_length=MAX_ERROR, blank=True)
    written_at = models.DateTimeField(_("written at"), default=timezone.now)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    asked_by = ByField(_("sent again by"), null=True)

    objects = LetterQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("email")
        verbose_name_plural = _("emails")
        constraints = [
            models.UniqueConstraint(fields=["event", "copy"], name="letter_once"),
        ]
        permissions = [("resend_letter", _("Can send an email again"))]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.event.order}"

    @classmethod
    def of(cls, event: Event, **fields: Any) -> Letter:
        """Return a letter about an event, not yet saved, to where its buyer wants letters now."""
        user = event.order.user
        return cls(
            event=event,
            kind=event.what,
            to=user.email,
            language=user.language_of_letters,
            due_at=timezone.now(),
            **fields,
        )

    @property
    def is_waiting(self) -> bool:
        return self.status == Letter.Status.WAITING

    @alters_data
    def mark_sent(self) -> None:
        self._change(status=Letter.Status.SENT, sent_at=timezone.now(), due_at=None, last_error="")

    @alters_data
    def put_off(self, error: str) -> None:
        """Remember why it was not sent, and give up after MAX_TRIES."""
        self._change(last_error=error[:MAX_ERROR])
        if self.tries >= self.MAX_TRIES:
            self._change(status=Letter.Status.FAILED, due_at=None)

    def _change(self, **fields: Any) -> None:
        """Change a letter that waits; one that another worker has sent meanwhile stays sent."""
        waiting = Letter.objects.filter(pk=self.pk, status=Letter.Status.WAITING)
        if waiting.update(**fields):
            for name, value in fields.items():
                setattr(self, name, value)
