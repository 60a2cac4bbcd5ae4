"""When the worker gives a sign of life, and when it cleans up.

A sign at its start, and every minute; at night it throws away what nobody needs any more.
"""

from datetime import timedelta

from axes.models import AccessAttempt
from django.core.management import call_command
from django.utils import timezone
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, on_startup

from core.models import Tick


@db_periodic_task(crontab(minute="*"))
def tick() -> None:
    Tick.now()


@on_startup()
def first_tick() -> None:
    Tick.now()


@db_periodic_task(crontab(hour="4", minute="10"))
def clean_up() -> None:
    """Forget sessions that are over, and who mistyped a password the day before."""
    call_command("clearsessions")
    AccessAttempt.objects.filter(attempt_time__lt=timezone.now() - timedelta(days=1)).delete()
