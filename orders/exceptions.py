"""What may refuse an order.

Problem
├── OrderNotCancellable     it is no longer unpaid
├── TooManyUnpaid           the buyer holds as many unpaid orders as anybody may
└── TotalTooHigh            more than Alipay takes for one trade
"""

from django.utils.translation import gettext_lazy as _

from core.money import LARGEST, yuan
from core.problems import Problem


class OrderNotCancellable(Problem):
    status, slug = 409, "order-not-cancellable"
    title = _("This order cannot be cancelled")
    detail = _("Only an order that has not been paid can be cancelled.")


class TooManyUnpaid(Problem):
    status, slug = 409, "too-many-unpaid-orders"
    title = _("Too many unpaid orders")

    def __init__(self, most: int) -> None:
        super().__init__(
            _(
                "You hold {most} unpaid orders, and nobody can hold more. Please pay or cancel one "
                "of them first."
            ).format(most=most)
        )


class TotalTooHigh(Problem):
    status, slug = 422, "total-too-high"
    title = _("The total is too high")

    def __init__(self) -> None:
        words = _("One order cannot be above {limit}.").format(limit=yuan(LARGEST))
        super().__init__(words, errors={"quantity": [words]})
