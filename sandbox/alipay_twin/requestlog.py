"""The last gateway requests with their verdicts, in memory: a window, not a record."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

KEPT = 500
LONGEST = 8000


def clipped(text: str) -> str:
    """Cut what is too long to look at."""
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


@dataclass
class LogEntry:
    """One call of the gateway, and what became of it."""

    number: int
    at: datetime
    verb: str
    app_id: str = ""
    method: str = ""
    out_trade_no: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    string_verified: str = ""
    verdict: str = ""
    string_signed: str = ""
    fault: str = ""
    milliseconds: float = 0


class RequestLog:
    """The last few, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[LogEntry] = deque(maxlen=KEPT)
        self._numbers = itertools.count(1)

    def open(self, at: datetime, verb: str) -> LogEntry:
        """Begin a line; it is filled in as the call is understood."""
        with self._lock:
            entry = LogEntry(next(self._numbers), at, verb)
            self._entries.append(entry)
        return entry

    def last(self, count: int = KEPT) -> list[LogEntry]:
        """The latest first."""
        with self._lock:
            return list(self._entries)[-count:][::-1]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


requests = RequestLog()
