"""When the worker gives a sign of life: at its start, and every minute."""

from huey import crontab
from huey.contrib.djhuey import db_periodic_task, on_startup

from core.models import Tick


@db_periodic_task(crontab(minute="*"))
def tick() -> None:
    Tick.now()


@on_startup()
def first_tick() -> None:
    Tick.now()
