"""What may keep a day's bill from being compared, or a difference from being resolved.

Exception
├── BillMalformed           a bill that cannot be read, and why: none of it is believed
└── BillBeingRead           somebody else reads the bill of this day just now

Problem
└── DifferenceNotOpen       resolved by somebody else, or mended meanwhile
"""

from django.utils.translation import gettext_lazy as _

from core.problems import Problem


class BillMalformed(Exception):
    """``reason`` is one of few words; ``detail`` says where."""

    def __init__(self, reason: str, detail: object = "") -> None:
        self.reason = reason
        super().__init__(f"{reason}: {detail}" if detail else reason)


class BillBeingRead(Exception):
    pass


class DifferenceNotOpen(Problem):
    status, slug = 409, "difference-not-open"
    title = _("This difference is no longer open")
    detail = _("Somebody else has resolved it, or it has been mended meanwhile.")
