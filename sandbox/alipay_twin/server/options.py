"""What the process was started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass
class Options:
    app_id: str = "9021000000000001"
    seller_id: str = "2088000000000001"
    keys: Path = Path()
    time_scale: float = 1.0


options = Options()
