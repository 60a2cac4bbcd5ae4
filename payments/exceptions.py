"""What Alipay, or somebody in its name, may do to us.

Exception
├── AlipayTrouble
│   ├── AlipaySaysNo        a signed answer: not done, and why (``sub_code``)
│   └── ResultUnknown       no answer, or none that can be believed: ask again
└── Refused                 evidence that books nothing; ``check`` names what it failed

Problem
├── OrderNotPayable         paid, cancelled or too late
├── CancelLater             Alipay does not say whether the order was paid
└── RefundTooHigh           more than is left of what was paid
"""

from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from core.money import yuan
from core.problems import Problem


class AlipayTrouble(Exception):
    pass


class AlipaySaysNo(AlipayTrouble):
    def __init__(self, sub_code: str, sub_msg: str = "") -> None:
        self.sub_code = sub_code
        super().__init__(f"{sub_code} {sub_msg}".strip())


class ResultUnknown(AlipayTrouble):
    pass


class Refused(Exception):
    """``check`` is the word by which the log and the admin find the reason."""

    def __init__(self, check: str, detail: str = "") -> None:
        self.check = check
        super().__init__(f"{check}: {detail}" if detail else check)


class OrderNotPayable(Problem):
    status, slug = 409, "order-not-payable"
    title = _("This order can not be paid any more")
    detail = _("It has been paid or cancelled, or its time is over.")


class CancelLater(Problem):
    status, slug = 503, "cancel-later"
    title = _("Alipay does not answer just now")
    detail = _(
        "Whether this order has been paid can not be known at the moment, so it was not "
        "cancelled. Please try again in a minute."
    )


class RefundTooHigh(Problem):
    status, slug = 409, "refund-too-high"
    title = _("That is more than can go back")

    def __init__(self, *, left: Decimal) -> None:
        words = _("At most {left} can go back.").format(left=yuan(left))
        super().__init__(words, errors={"amount": [words]})
