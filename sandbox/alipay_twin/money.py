"""Money is counted in fen, as whole numbers, and told in yuan with two decimals."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

MOST = 100_000_000_00

AMOUNT = re.compile(r"\d{1,9}(\.\d{1,2})?", re.ASCII)


def yuan(fen: int) -> str:
    """``1000`` is ``"10.00"``."""
    sign, fen = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{fen // 100}.{fen % 100:02d}"


def fen(amount: Any) -> int | None:
    """Read an amount as Alipay does: a string or a JSON number, at most two decimals.

    None if it is not one, or is nothing, or is above Alipay's limit.
    """
    if isinstance(amount, bool) or not isinstance(amount, (str, int, Decimal)):
        return None
    text = str(amount)
    if not AMOUNT.fullmatch(text):
        return None
    counted = int(Decimal(text) * 100)
    return counted if 1 <= counted <= MOST else None


def part(whole: int, of: int, total: int) -> int:
    """What ``of`` out of ``total`` makes of an amount, rounded to the fen."""
    return (2 * whole * of + total) // (2 * total)


def share(whole: int, rate: Decimal) -> int:
    """A part of an amount, rounded to the fen."""
    return int((whole * rate).to_integral_value(ROUND_HALF_UP))
