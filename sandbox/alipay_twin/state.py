"""One change at a time.

A single process serves everything, so one lock makes every change whole and in order; the
transaction under it makes the change survive a kill. Nothing in here waits for the network.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection, transaction

from .behaviour import rules
from .clock import clock, real_now
from .models import (
    Attempt,
    BillLink,
    Fault,
    LedgerEntry,
    Merchant,
    Notice,
    Refund,
    StoredValue,
    Trade,
)
from .requestlog import requests

_lock = threading.RLock()


@contextmanager
def change() -> Iterator[None]:
    """Do all of it or nothing, alone."""
    with _lock, transaction.atomic():
        yield


def store_clock() -> None:
    """Write down the clock for the next start."""
    value = {
        "now": clock.now().isoformat(),
        "real": real_now().isoformat(),
        "rate": clock.rate,
    }
    StoredValue.store("clock", value)


def load_clock(rate: float | None) -> None:
    """Set the clock as if it had gone on while the process was away; a rate given now wins."""
    kept = StoredValue.objects.filter(name="clock").first()
    if kept:
        away = real_now() - datetime.fromisoformat(kept.value["real"])
        base = datetime.fromisoformat(kept.value["now"])
        clock.set(max(base, base + away * kept.value["rate"]), kept.value["rate"])
    if rate is not None:
        clock.set(clock.now(), rate)
        store_clock()


def reset(rate: float) -> None:
    """Forget every trade and set the clock to real time; merchants, buyers and keys stay."""
    with change():
        with connection.cursor() as cursor:
            for model in (Attempt, Notice, BillLink, Fault, LedgerEntry, Refund, Trade):
                # Django would first read every row, to see what hangs on it.
                table = connection.ops.quote_name(model._meta.db_table)
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608  a name of our own
        Merchant.objects.update(balance=0)
        rules.reset()
        clock.set(real_now(), rate)
        store_clock()
    requests.clear()
