"""Work that is due at a time: the truth is a row, and whoever claims it does it.

Any number of workers may claim at once, and any may die at any point. A claim moves the row's time
to its next try, so what nobody finished comes back by itself; nothing is done by two at once.
"""

from datetime import timedelta
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

BATCH = 50


class DueQuerySet(models.QuerySet[Any]):
    @transaction.atomic
    def claim(self) -> list[Any]:
        """Take what is due, the oldest first, and put each off until its next try."""
        now = timezone.now()
        can_skip = connection.features.has_select_for_update_skip_locked
        due = (
            self.filter(due_at__lte=now).order_by("due_at").select_for_update(skip_locked=can_skip)
        )
        claimed = list(due[:BATCH])
        for row in claimed:
            row.tries += 1
            row.due_at = now + row.pause()
        self.bulk_update(claimed, ["tries", "due_at"])
        return claimed


class Due(models.Model):
    """A row that waits for the worker as long as ``due_at`` is set."""

    due_at = models.DateTimeField(_("next try at"), null=True, blank=True, db_index=True)
    tries = models.PositiveIntegerField(_("tries"), default=0)

    class Meta:
        abstract = True

    def pause(self) -> timedelta:
        """Say how long to wait after this try before the next one."""
        raise NotImplementedError
