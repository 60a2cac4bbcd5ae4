"""What happens when an order is not paid in time: ask, close, release.

    1. ask      Alipay about each open attempt
    2. paid     settle it: the notice was lost or late
    3. waiting  close it at Alipay, once its time is over, so that nobody can pay it any more
    4. closed, or never born and over
                the attempt is closed here too
    5. nothing open any more
                cancel the order, and give its stock back, once
    unclear     leave everything as it is, and ask again later

The stock is released last: whoever buys it next can not meet the money of the one before. A trade
that was never born can not be closed; what is paid for it all the same goes back by itself
(`Payment.settle`, `payments.refunds`).
"""

import logging
from contextlib import suppress
from typing import Any

from django.utils import timezone

from core.due import whatever_happens
from orders.exceptions import OrderNotCancellable
from orders.models import Event, Order, OrderStatus
from payments import alipay
from payments.exceptions import AlipaySaysNo, CancelLater, Refused, ResultUnknown
from payments.models import Payment

logger = logging.getLogger(__name__)

NOT_BORN = "ACQ.TRADE_NOT_EXIST"
# More are left to the next tick.
BATCH = 200


def ask(payment: Payment, *, then_close: bool = False, by: Any = None) -> bool:
    """Ask Alipay about one attempt and record what it says; return whether its answer is clear.

    ``then_close`` closes a trade that waits for its buyer. ``by`` is the operator who asked.
    """
    try:
        answer, trade = hear(payment)
        payment.order.record(
            Event.What.ASKED, about=payment.out_trade_no, evidence=f"trade.query: {answer}", by=by
        )
        if trade is None:
            is_clear = answer.startswith(NOT_BORN)
            if is_clear and payment.is_over:
                payment.close(evidence=answer)
        else:
            act_upon(payment, trade, then_close=then_close)
            is_clear = True
    except (AlipaySaysNo, ResultUnknown) as unclear:
        logger.warning("Payment %s: could not be closed: %s", payment, unclear)
        is_clear = False
    except Refused as refusal:
        logger.error("Payment %s: a person must look: %s", payment, refusal)
        is_clear = False
    payment.note_answer(is_clear=is_clear)
    return is_clear


def hear(payment: Payment) -> tuple[str, alipay.Trade | None]:
    """Return what Alipay answers, in a word, and the trade if it told of one."""
    try:
        trade = alipay.query(payment.out_trade_no)
    except AlipaySaysNo as no:
        if no.sub_code != NOT_BORN:
            logger.warning("Payment %s: Alipay says no: %s", payment, no)
        return str(no), None
    except ResultUnknown as unknown:
        logger.warning("Payment %s: Alipay does not say: %s", payment, unknown)
        return f"unknown, {unknown}", None
    return trade.trade_status, trade


def act_upon(payment: Payment, trade: alipay.Trade, *, then_close: bool) -> None:
    """Record what a trade has become; close it, if so wished, when it waits for its buyer."""
    if trade.is_paid:
        payment.settle(trade, evidence="trade.query")
    elif trade.trade_status == "TRADE_CLOSED":
        payment.match(trade)
        payment.close(evidence="trade.query: TRADE_CLOSED")
    elif then_close:
        payment.match(trade)
        alipay.close(payment.out_trade_no)
        payment.close(evidence="trade.close")
        logger.info("Payment %s: closed at Alipay", payment)


def ask_what_is_due() -> int:
    """Ask about every attempt whose time to be asked has come; return how many there were.

    One that waits is closed when its time is over, and when its order needs no money any more.
    """
    due = Payment.objects.open().select_related("order").claim()
    for payment in due:
        is_over = payment.time_expire <= timezone.now()
        with whatever_happens(payment):
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


def cancel_now(order: Order, *, by: Any) -> None:
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
