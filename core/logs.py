"""How a log line looks: for people by default, as JSON when LOG_FORMAT says so.

A record is one line whatever it holds, so that nobody can forge a second one.
"""

import json
import logging
from datetime import UTC, datetime


class PlainFormatter(logging.Formatter):
    """``2026-01-02 03:04:05 INFO payments.notify: Order …``, a traceback folded behind ``|``."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name}: {message}", "%Y-%m-%d %H:%M:%S", "{")

    def format(self, record: logging.LogRecord) -> str:
        return " | ".join(super().format(record).splitlines())


class JSONFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``message``."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
