"""A log record is one line, for people or as JSON."""

import json
import logging
import sys

import pytest

from core.logs import JSONFormatter, PlainFormatter


def record(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("payments.notify", logging.WARNING, "", 0, message, args, None)


def failure() -> logging.LogRecord:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        return logging.LogRecord("shop", logging.ERROR, "", 0, "broke", (), sys.exc_info())


@pytest.mark.parametrize("formatter", [PlainFormatter(), JSONFormatter()])
def test_a_record_is_one_line(formatter: logging.Formatter) -> None:
    for each in (record("forged\r\n2026-01-01 ERROR line"), failure()):
        assert len(formatter.format(each).splitlines()) == 1


def test_plain_reads_like_a_sentence() -> None:
    line = PlainFormatter().format(record("Order %s: paid", "20260101ABC"))

    assert line[19:] == " WARNING payments.notify: Order 20260101ABC: paid"


def test_json_holds_the_parts() -> None:
    told = json.loads(JSONFormatter().format(record("支付 %s", "ok")))

    assert (told["level"], told["logger"], told["message"]) == (
        "WARNING",
        "payments.notify",
        "支付 ok",
    )
    assert told["time"].endswith("+00:00")
    assert "second" in json.loads(JSONFormatter().format(failure()))["traceback"]
