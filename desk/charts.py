"""Charts as SVG that the server draws: rectangles in a box that is stretched to its place.

The page has a strict Content Security Policy and no script of its own, so a chart is markup. Its
words stand beside it in HTML, where they are read aloud and keep their shape; its numbers stand in
a table below.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

HEIGHT = 1000
STEP, WIDTH = 10, 7
# What is not nothing can be seen.
SMALLEST = 12


@dataclass(frozen=True)
class Bar:
    """One day: a rectangle, and within it the part of it that matters more."""

    x: int
    height: int
    part: int
    words: str

    @property
    def y(self) -> int:
        return HEIGHT - self.height

    @property
    def part_y(self) -> int:
        return HEIGHT - self.part


@dataclass(frozen=True)
class Chart:
    """Bars from left to right; the highest reaches the top."""

    name: str  # unique on the page
    title: str
    total: str
    top: str
    bars: list[Bar]

    height = HEIGHT
    bar_width = WIDTH

    @property
    def width(self) -> int:
        return STEP * len(self.bars) - (STEP - WIDTH)


def bars(
    values: Sequence[Decimal | int],
    *,
    words: Sequence[str],
    top: Decimal | int,
    parts: Sequence[Decimal | int] | None = None,
) -> list[Bar]:
    """Return a bar for each value, measured by what stands for the whole height."""
    return [
        Bar(x=STEP * number, height=_high(value, top), part=_high(part, top), words=said)
        for number, (value, part, said) in enumerate(
            zip(values, parts or values, words, strict=True)
        )
    ]


def _high(value: Decimal | int, top: Decimal | int) -> int:
    return max(SMALLEST, round(HEIGHT * value / top)) if value and top else 0
