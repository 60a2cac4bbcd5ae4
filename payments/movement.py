"""What a payment and a refund have in common: money that moves at Alipay."""

from decimal import Decimal
from typing import Protocol


class Movement(Protocol):
    """Money that comes in or goes back: a Payment, or a Refund of one.

    Alipay knows it by ``out_trade_no`` and, when it goes back, by ``out_request_no`` too; for a
    Payment that is empty.
    """

    @property
    def out_trade_no(self) -> str: ...

    @property
    def out_request_no(self) -> str: ...

    @property
    def trade_no(self) -> str: ...

    @property
    def amount(self) -> Decimal:
        """In yuan."""

    @property
    def status(self) -> str: ...

    @property
    def payment_id(self) -> int: ...

    @property
    def refund_id(self) -> int | None: ...

    @property
    def has_moved(self) -> bool:
        """Whether the shop knows that the money moved."""

    @property
    def may_have_moved(self) -> bool:
        """Whether it may have moved without the shop's knowing: Alipay can be asked."""
