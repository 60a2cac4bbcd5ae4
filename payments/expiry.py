"""What happens when an order is not paid in time: ask, close, release.

    1. ask      Alipay about each open attempt (`payments.query`)
    2. paid     settle it: the notice was lost or late
    3. waiting  close it at Alipay, once its time is over, so that nobody can pay it any more
    4. closed, or never born and over
                the attempt is closed here too
    5. nothing open any more
                cancel the order, and give its stock back, once
    unclear     leave everything as it is, and ask again later

The stock is released last: whoever buys it next cannot meet the money of the one before. A trade
that was never born cannot be closed; what is paid for it all the same goes back by itself
(`Payment.settle`, `payments.refunds`).
"""

import logging
from contextlib import suppress

from django.utils import timezone

from core.due import log_and_continue
from orders.exceptions import OrderNotCancellable
from orders.models import Order, OrderStatus
from payments.exceptions import CancelLater
from payments.models.payment import Payment
from payments.query import ask
from users.models import User

logger = logging.getLogger(__name__)

# More are left to the next tick.
BATCH = 200


def ask_what_is_due() -> int:
    """Ask about every attempt whose time to be asked has come; return how many there were.

    One that waits is closed when its time is over, and when its order needs no money any more.
    """
    due = Payment.objects.open().select_related("order").claim()
    for payment in due:
        is_over = payment.time_expire <= timezone.now()
        with log_and_continue(payment):
            ask(payment, then_close=is_over or not payment.order.is_unpaid)
    return len(due)


def expired_orders() -> list[Order]:
    """Return unpaid orders whose time is over and whose attempts are all closed."""
    late = Order.objects.filter(status=OrderStatus.UNPAID, expires_at__lte=timezone.now())
    still_open = Payment.objects.open().values("order")
    return list(late.exclude(id__in=still_open).order_by("expires_at")[:BATCH])


def cancel_expired_orders() -> int:
    """Cancel orders that nobody can pay any more; return how many."""
    cancelled = 0
    for order in expired_orders():
        with suppress(OrderNotCancellable):  # a notice came first
            order.cancel()
            cancelled += 1
            logger.info("Order %s: expired, its stock is back", order)
    return cancelled


def cancel_now(order: Order, *, by: User) -> None:
    """Cancel an order before its time, for its buyer or by an operator: the same story, now.

    Raise OrderNotCancellable when it is not unpaid, as when Alipay, asked, says that it is paid,
    and CancelLater when Alipay does not say.
    """
    if not order.is_unpaid:
        raise OrderNotCancellable
    for payment in order.payments.open():
        if not ask(payment, then_close=True, by=by):
            raise CancelLater
    order.cancel(by=by)
