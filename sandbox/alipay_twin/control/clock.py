"""The clock: read, turned forward, stopped, quickened."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from .. import actions
from ..clock import clock, real_now
from ..schemas import ClockIn
from .errors import PROBLEMS

router = Router()


class ClockOut(Schema):
    now: datetime
    real: datetime
    mode: str
    scale: float
    done: int = Field(0, description="how many things fell due on the way")


def clock_out(done: int = 0) -> dict[str, Any]:
    return {
        "now": clock.now(),
        "real": real_now(),
        "mode": clock.mode,
        "scale": clock.rate,
        "done": done,
    }


@router.get("/clock", response={200: ClockOut, **PROBLEMS})
def get_clock(request: HttpRequest) -> Any:
    """What time it is here."""
    return clock_out()


@router.post("/clock", response={200: ClockOut, **PROBLEMS})
def post_clock(request: HttpRequest, wanted: ClockIn) -> Any:
    """Turn the clock forward, or set how fast it goes.

    Everything that falls due on the way has happened, in order, when this answers: expiries,
    refund windows, notices with all their attempts.
    """
    return clock_out(actions.set_clock(wanted))
