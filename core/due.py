"""Work that is due at a time: the truth is a row, and whoever claims it does it.

Any number of workers may claim at once, and any may die at any point. A claim moves the row's time
to its next try, so what nobody finished comes back by itself; nothing is done by two at once.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.db import connection, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.alters_data import alters_data

logger = logging.getLogger(__name__)

BATCH = 50


# What has been unclear for so long is shown to the operator.
TOO_LONG = timedelta(hours=1)


class DueQuerySet(models.QuerySet[Any]):
    def unclear(self) -> Self:
        """Return what has been unclear for so long that a person should know."""
        return self.filter(unclear_since__lte=timezone.now() - TOO_LONG)

    def due(self) -> Self:
        """Return what waits for the worker now."""
        return self.filter(due_at__lte=timezone.now())

    @transaction.atomic
    def claim(self, *, at_most: int = BATCH) -> list[Any]:
        """Take what is due, the oldest first, and put each off until its next try."""
        now = timezone.now()
        can_skip = connection.features.has_select_for_update_skip_locked
        due = self.due().order_by("due_at").select_for_update(skip_locked=can_skip)
        claimed = list(due[:at_most])
        for row in claimed:
            row.tries += 1
            row.due_at = now + row.retry_delay()
        self.bulk_update(claimed, ["tries", "due_at"])
        return claimed


@contextmanager
def log_and_continue(row: Any) -> Iterator[None]:
    """Let no row stop the others that are due: it is logged, and due again later."""
    try:
        yield
    except Exception:
        logger.exception("%r: left for its next try", row)


class Due(models.Model):
    """A row that waits for the worker as long as ``due_at`` is set."""

    # How long to wait after the first try, the second, ...; from the last one on always as long.
    RETRY_DELAYS: ClassVar[Sequence[timedelta]]

    due_at = models.DateTimeField(_("next try at"), null=True, blank=True, db_index=True)
    tries = models.PositiveIntegerField(_("tries"), default=0)
    unclear_since = models.DateTimeField(_("unclear since"), null=True, blank=True)

    class Meta:
        abstract = True

    def retry_delay(self) -> timedelta:
        """Return how long to wait after this try before the next one."""
        return self.RETRY_DELAYS[min(max(self.tries, 1), len(self.RETRY_DELAYS)) - 1]

    @alters_data
    def note_answer(self, *, is_clear: bool) -> None:
        """Remember since when there are only answers that say nothing.

        A row that somebody else has settled meanwhile is not due any more, and so not unclear.
        """
        this_row = type(self)._default_manager.filter(pk=self.pk)
        if is_clear:
            this_row.filter(unclear_since__isnull=False).update(unclear_since=None)
        else:
            unsettled = this_row.filter(due_at__isnull=False)
            unsettled.filter(unclear_since__isnull=True).update(unclear_since=timezone.now())
