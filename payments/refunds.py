"""How money goes back, and is never sent twice.

    1. request  under the payment's row lock: no more than was paid; the row with its
                ``out_request_no`` is committed before Alipay hears of it
    2. send     with that number, in every try: Alipay moves the money once
    3. done     when Alipay says ``fund_change=Y``, or, asked, ``REFUND_SUCCESS``
       failed   when Alipay says that it never will
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
NOT_NOW = {"ACQ.SELLER_BALANCE_NOT_ENOUGH", "ACQ.REASON_TRADE_BEEN_FREEZEN"}
# Alipay's no that may mean "done already": only a question tells.
PERHAPS_DONE = {"ACQ.TRADE_HAS_CLOSE", "ACQ.TRADE_STATUS_ERROR", "ACQ.REASON_TRADE_STATUS_INVALID"}


@transaction.atomic
def request_refund(
    payment: Payment, *, amount: Decimal, by: Any, reason: str = "", restocks: bool = False
) -> Refund:
    """Write down that a part of a payment, or all of it, is to go back.

    Raise RefundTooHigh when the refunds would come to more than was paid; then nothing is written.
    """
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
        restocks=restocks,
        due_at=timezone.now(),
    )
    logger.info("Refund %s: requested by %s", refund, by)
    return refund


def send(refund: Refund) -> None:
    """Have Alipay do one refund, or find out that it has done it."""
    try:
        moved = alipay.refund(
            out_trade_no=refund.payment.out_trade_no,
            refund_amount=refund.amount,
            out_request_no=refund.out_request_no,
            refund_reason=alipay.clean_subject(refund.reason or refund.get_cause_display()),
        )
        if moved or is_done(refund):
            refund.mark_done()
            logger.info("Refund %s: done", refund)
        else:
            refund.note("no fund_change")
    except AlipaySaysNo as no:
        heed(refund, no)
    except ResultUnknown as unknown:
        refund.note(str(unknown))
        logger.warning("Refund %s: Alipay does not say: %s", refund, unknown)


def heed(refund: Refund, no: AlipaySaysNo) -> None:
    """Tell Alipay's no from its "not now" and its "done already"."""
    if no.sub_code in NOT_NOW:
        refund.note(str(no))
        logger.error("Refund %s: not now: %s", refund, no)
    elif no.sub_code in PERHAPS_DONE and is_done(refund):
        refund.mark_done()
    else:
        refund.mark_failed(str(no))
        logger.error("Refund %s: a person must look: %s", refund, no)


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
