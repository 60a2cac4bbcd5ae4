"""How money goes back, and is never sent twice.

    1. request  under the payment's row lock: no more than was paid; the row with its
                ``out_request_no`` is committed before Alipay hears of it
    2. send     with that number, in every try: Alipay moves the money once
    3. done     when Alipay says ``fund_change=Y``, or, asked, ``REFUND_SUCCESS``
       failed   when Alipay says that it never will, and, asked, that it has not
       unclear  everything else: try again later, with the same number

https://opendocs.alipay.com/open/02ekfk
"""

import logging
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from payments import alipay
from payments.exceptions import AlipaySaysNo, RefundTooHigh, ResultUnknown
from payments.models import Payment, Refund

logger = logging.getLogger(__name__)

# Alipay's no that is a "not now": a person has to do something, and then it will work.
NOT_NOW = ("ACQ.SELLER_BALANCE_NOT_ENOUGH", "ACQ.REASON_TRADE_BEEN_FREEZEN")


@transaction.atomic
def request_refund(
    payment: Payment, *, amount: Decimal, by: Any, reason: str = "", restocks: bool = False
) -> Refund:
    """Write down that a part of a payment, or all of it, is to go back.

    Raise RefundTooHigh when the refunds would come to more than was paid; then nothing is written.
    The goods come back only with the payment that bought them.
    """
    # The order is read after the lock was got: joined to it, it would be that of before the wait.
    payment = Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)
    left = payment.refundable() if payment.status == Payment.Status.PAID else Decimal("0.00")
    if amount > left:
        raise RefundTooHigh(left=left)
    number = payment.refunds.count() + 1
    refund = Refund.objects.create(
        payment=payment,
        amount=amount,
        out_request_no=f"{payment.out_trade_no}_R{number}",
        cause=Refund.Cause.OPERATOR,
        reason=reason,
        requested_by=by,
        restocks=restocks and payment.order.transaction_id == payment.trade_no,
        due_at=timezone.now(),
    )
    logger.info("Refund %s: requested by %s", refund, by)
    return refund


def send(refund: Refund) -> None:
    """Have Alipay do one refund, or find out that it has done it."""
    try:
        why_not = do(refund)
        if not why_not or is_done(refund):
            refund.mark_done()
            logger.info("Refund %s: done", refund)
        elif is_final(why_not):
            refund.mark_failed(why_not)
            logger.error("Refund %s: a person must look: %s", refund, why_not)
        else:
            refund.note(why_not)
            logger.error("Refund %s: not now: %s", refund, why_not)
    except (ResultUnknown, AlipaySaysNo) as unclear:
        refund.note(str(unclear))
        logger.warning("Refund %s: Alipay does not say: %s", refund, unclear)


def do(refund: Refund) -> str:
    """Ask for the money to be moved; return why this call did not move it, or nothing."""
    try:
        moved = alipay.refund(
            out_trade_no=refund.payment.out_trade_no,
            refund_amount=refund.amount,
            out_request_no=refund.out_request_no,
            refund_reason=alipay.clean_subject(refund.reason or refund.get_cause_display()),
        )
    except AlipaySaysNo as no:
        return str(no)
    return "" if moved else "no fund_change"


def is_final(why_not: str) -> bool:
    """Whether Alipay's no decides: one of the gateway's (rate, key, permission) never does."""
    return why_not.startswith("ACQ.") and not why_not.startswith(NOT_NOW)


def is_done(refund: Refund) -> bool:
    return alipay.is_refunded(
        out_trade_no=refund.payment.out_trade_no, out_request_no=refund.out_request_no
    )


def send_what_is_due() -> int:
    """Send every refund whose time has come; return how many there were."""
    due = Refund.objects.filter(status__in=[Refund.Status.REQUESTED, Refund.Status.UNKNOWN]).claim()
    for refund in due:
        send(refund)
    return len(due)
