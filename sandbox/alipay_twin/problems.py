"""What the console and the control API cannot do, and why. What Alipay refuses is a Refusal."""

from __future__ import annotations


class Problem(Exception):
    """A request that cannot be done, and why; ``status`` is what HTTP calls it."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
