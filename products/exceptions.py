"""What may refuse a quantity.

Problem
└── OutOfStock      fewer are left than somebody wants
"""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from core.problems import Problem


class OutOfStock(Problem):
    status, slug = 409, "out-of-stock"
    title = gettext_lazy("Not enough in stock")

    def __init__(self, *, name: str, left: int) -> None:
        words = shortage(left)
        super().__init__(f"{name}: {words}", errors={"quantity": [words]})


def shortage(left: int) -> str:
    """Say how few are left."""
    if left:
        return ngettext("Only {left} left.", "Only {left} left.", left).format(left=left)
    return _("Sold out.")
