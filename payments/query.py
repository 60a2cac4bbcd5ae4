"""Ask Alipay what became of an attempt to pay, and record its answer.

    paid            settle it: the notice was lost or late
    closed          close the attempt here too
    waiting         nothing; or, when it is to end, close it at Alipay, then here
    never born      nobody opened it: once its time is over, close it here
    anything else   unclear: leave it as it is, and ask again later

The worker asks about what is due (`payments.expiry`), the buyer's return and an operator's button
ask at once. https://opendocs.alipay.com/open/028woa
"""

import logging

from orders.models import Event
from payments import alipay
from payments.exceptions import AlipaySaysNo, Refused, ResultUnknown
from payments.models.payment import Payment
from users.models import User

logger = logging.getLogger(__name__)

NOT_BORN = "ACQ.TRADE_NOT_EXIST"


def ask(payment: Payment, *, then_close: bool = False, by: User | None = None) -> bool:
    """Ask Alipay about one attempt and record what it says; return whether its answer is clear.

    ``then_close`` closes a trade that waits for its buyer. ``by`` is the operator who asked.
    """
    try:
        answer, trade = trade_query(payment)
        payment.order.record(
            Event.What.ASKED, about=payment.out_trade_no, evidence=f"trade.query: {answer}", by=by
        )
        is_clear = record_answer(payment, answer, trade, then_close=then_close)
    except (AlipaySaysNo, ResultUnknown) as unclear:
        logger.warning("Payment %s: could not be closed: %s", payment, unclear)
        is_clear = False
    except Refused as refusal:
        logger.error("Payment %s: a person must look: %s", payment, refusal)
        is_clear = False
    payment.note_answer(is_clear=is_clear)
    return is_clear


def trade_query(payment: Payment) -> tuple[str, alipay.Trade | None]:
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


def record_answer(
    payment: Payment, answer: str, trade: alipay.Trade | None, *, then_close: bool
) -> bool:
    """Record what a trade has become; return whether the answer is clear.

    ``then_close`` closes it when it waits for its buyer. Raise Refused when the trade is not this
    payment, and AlipayTrouble when it could not be closed.
    """
    if trade is None:
        is_not_born = answer.startswith(NOT_BORN)
        if is_not_born and payment.is_over:
            payment.close(evidence=answer)
        return is_not_born
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
    return True
