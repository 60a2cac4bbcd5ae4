"""The sandbox's own clock: real, frozen or scaled, and only ever turned forward.

Everything that falls due here (an expiry, the next attempt at a notice, the end of a refund window,
a bill) falls due by this clock. Alipay speaks Beijing time, so that is what it is told in.
"""

from __future__ import annotations

import re
import threading
from datetime import datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8), "CST")

STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)


def real_now() -> datetime:
    """What the clock on the wall says."""
    return datetime.now(BEIJING)


class Clock:
    """An instant, and how fast time has gone on since."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._base = self._real_base = real_now()
        self.rate = 1.0
        self.is_held = False

    def now(self) -> datetime:
        """The sandbox's time, in Beijing."""
        with self._lock:
            return self._now()

    def _now(self) -> datetime:
        if self.is_held:
            return self._base
        return self._base + (real_now() - self._real_base) * self.rate

    def set(self, instant: datetime, rate: float) -> None:
        """Start again from an instant, at a rate: 1 real, 0 frozen."""
        with self._lock:
            self._base, self._real_base, self.rate = instant.astimezone(BEIJING), real_now(), rate

    def hold(self) -> None:
        """Stand still while what is due is being done, one instant after the other."""
        with self._lock:
            self._base, self.is_held = self._now(), True

    def step(self, instant: datetime) -> None:
        """While held: go to a later instant."""
        with self._lock:
            self._base = max(self._base, instant.astimezone(BEIJING))

    def release(self) -> None:
        """Let time go on from where it was held."""
        with self._lock:
            self._real_base, self.is_held = real_now(), False

    def real_seconds_until(self, instant: datetime) -> float | None:
        """How long to wait, on the wall's clock; None if that instant never comes by itself."""
        with self._lock:
            gap = (instant - self._now()).total_seconds()
            if gap <= 0:
                return 0.0
            return gap / self.rate if self.rate and not self.is_held else None

    @property
    def mode(self) -> str:
        return {0.0: "frozen", 1.0: "real"}.get(self.rate, "scaled")


clock = Clock()

#: Set when something will fall due that was not expected, or sooner: the notifier looks again.
schedule_changed = threading.Event()


def stamp(instant: datetime | None, *, milliseconds: bool = False) -> str:
    """``yyyy-MM-dd HH:mm:ss`` in Beijing, as all of Alipay's times are told; "" for none."""
    if instant is None:
        return ""
    local = instant.astimezone(BEIJING)
    text = local.strftime("%Y-%m-%d %H:%M:%S")
    return f"{text}.{local.microsecond // 1000:03d}" if milliseconds else text


def read_stamp(text: str) -> datetime | None:
    """Read ``yyyy-MM-dd HH:mm:ss``, zero padded; None for anything else."""
    if not STAMP.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=BEIJING)
    except ValueError:
        return None
