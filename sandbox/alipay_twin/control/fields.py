"""What several routers take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from ..clock import BEIJING

Limit = Annotated[int, Field(ge=1, le=1000)]
Offset = Annotated[int, Field(ge=0, le=10**9)]


def beijing(instant: datetime | None) -> datetime | None:
    return instant.astimezone(BEIJING) if instant else None
