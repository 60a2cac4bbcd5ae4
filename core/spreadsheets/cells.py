"""What a cell of a file says, however it was typed. Each function raises ValueError with words."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
# Where a comma is a decimal point, 9,90 is no 990.
IN_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
TO_HALF_WIDTH = {ord(wide): chr(ord(wide) - 0xFEE0) for wide in "０１２３４５６７８９．，－＋"}


def number(cell: Any) -> Decimal | None:
    """Return a number however it was typed: ``9.9``, ``"9.90"``, ``"¥1,234.50"``, ``"９.９"``."""
    if cell == "":
        return None
    if isinstance(cell, bool):
        raise ValueError(_("This is not a number."))
    if isinstance(cell, int | float) and math.isfinite(cell):
        # Excel keeps 9.9 as 9.9000000000000004; what was meant has few decimals.
        return Decimal(repr(round(cell, 6)))
    text = str(cell).translate(TO_HALF_WIDTH)
    text = re.sub(r"^['¥￥]|元$|\s", "", text)
    if IN_THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if not NUMBER.fullmatch(text) or len(text) > 30:
        raise ValueError(_("“%(cell)s” is not a number.") % {"cell": str(cell)[:40]})
    return Decimal(text)


def whole_number(cell: Any) -> int | None:
    found = number(cell)
    if found is not None and found != found.to_integral_value():
        raise ValueError(_("“%(cell)s” is not a whole number.") % {"cell": str(cell)[:40]})
    return None if found is None else int(found)


def text(cell: Any) -> str:
    """Return a text, of a cell that Excel took for a number too."""
    if not isinstance(cell, str | int | float):
        raise ValueError(_("This cell became a date; let it be a text."))
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if "\0" in str(cell):
        raise ValueError(_("This text holds a character that cannot be kept."))
    return str(cell)
