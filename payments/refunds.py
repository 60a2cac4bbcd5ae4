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
from hashlib import sha256

from django.db import transaction
from django.utils import timezone

from core.due import log_and_continue
from core.money import yuan
from orders.models import Event
from payments import alipay
from payments.approval import needs_approval, refuse_own, refuse_same_person
from payments.exceptions import (
    AlipaySaysNo,
    AnotherRefund,
    KeyUsed,
    RefundNotFailed,
    RefundNotWaiting,
    RefundTooHigh,
    Refused,
    ResultUnknown,
)
from payments.models.payment import Payment
from payments.models.refund import OPEN_REFUNDS, Refund
from users.models import User

logger = logging.getLogger(__name__)

# Alipay's no that is a "not now": a person has to do something, and then it will work.
NOT_NOW = ("ACQ.SELLER_BALANCE_NOT_ENOUGH", "ACQ.REASON_TRADE_BEEN_FREEZEN")


def request_refund(
    payment: Payment,
    *,
    amount: Decimal,
    by: User,
    reason: str = "",
    restocks: bool = False,
    after: int | None = None,
    key: str | None = None,
) -> Refund:
    """Write down that a part of a payment, or all of it, is to go back.

    Raise RefundTooHigh when the refunds would come to more than was paid; then nothing is written.
    The goods come back only with the payment that bought them. Above what one operator may decide
    alone (`approval`) it waits for a second. Raise OwnOrder for the order of whoever asks.

    ``after`` is how many refunds of this payment whoever asks knows of; raise AnotherRefund when
    there are more by now, as when a form was sent twice. ``key`` is whoever asks' own name for this
    refund: asked for again by the same, it is returned; raise KeyUsed when anything else is asked
    for by it. Another operator's key is another key.
    """
    with transaction.atomic():
        payment = locked(payment)
        refuse_own(payment, by=by)
        earlier = payment.refunds.count()
        if after is not None and after != earlier:
            raise AnotherRefund
        restocks = restocks and not payment.is_late_money
        name = f"R{earlier + 1}" if key is None else fingerprint(key, by=by)
        number = f"{payment.out_trade_no}_{name}"
        if known := payment.refunds.filter(out_request_no=number).first():
            if (known.amount, known.reason, known.restocks) != (amount, reason, restocks):
                raise KeyUsed
            return known
        left = payment.refundable() if payment.status == Payment.Status.PAID else Decimal("0.00")
        if amount > left:
            raise RefundTooHigh(left=left)
        waits = needs_approval(payment, amount, by=by)
        refund = Refund.objects.create(
            payment=payment,
            amount=amount,
            out_request_no=number,
            cause=Refund.Cause.OPERATOR,
            reason=reason,
            requested_by=by,
            restocks=restocks,
            status=Refund.Status.WAITING if waits else Refund.Status.REQUESTED,
            due_at=None if waits else timezone.now(),
        )
        record_event(
            refund, Event.What.REFUND_REQUESTED, evidence=f"{yuan(amount)} {reason}", by=by
        )
    logger.info("Refund %s: requested by %s", refund, by)
    return refund


def fingerprint(key: str, *, by: User) -> str:
    return f"K{sha256(f'{by.pk} {key}'.encode()).hexdigest()[:24]}"


def approve(refund: Refund, *, by: User) -> None:
    """Let a refund go that waited for a second operator.

    Raise RefundNotWaiting when it does not wait, SecondOperatorNeeded for whoever asked for it or
    is behind who did, and OwnOrder for whoever placed the order.
    """
    with transaction.atomic():
        refund = waiting(refund)
        refuse_own(refund.payment, by=by)
        refuse_same_person(refund, by=by)
        refund.status, refund.approved_by = Refund.Status.REQUESTED, by
        refund.due_at = timezone.now()
        refund.save(update_fields=["status", "approved_by", "due_at", "updated_at"])
        record_event(refund, Event.What.REFUND_APPROVED, by=by)
    logger.info("Refund %s: approved by %s", refund, by)


def decline(refund: Refund, *, by: User, reason: str) -> None:
    """End a refund that waited for a second operator; raise RefundNotWaiting when it does not."""
    with transaction.atomic():
        refund = waiting(refund)
        refund.status, refund.last_answer = Refund.Status.DECLINED, reason[:200]
        refund.due_at = None
        refund.save(update_fields=["status", "last_answer", "due_at", "updated_at"])
        record_event(refund, Event.What.REFUND_DECLINED, evidence=reason, by=by)


def retry(refund: Refund, *, by: User) -> None:
    """Try a refund again that failed, with its own number: what was done is not done twice.

    It counts again, as a decision of whoever tries it, and may wait for a second operator. Raise
    RefundNotFailed when it did not fail, RefundTooHigh when others took its place, and OwnOrder for
    whoever placed the order.
    """
    with transaction.atomic():
        payment = locked(refund.payment)
        refuse_own(payment, by=by)
        refund = payment.refunds.get(pk=refund.pk)
        if not refund.has_failed:
            raise RefundNotFailed
        if refund.amount > payment.refundable():
            raise RefundTooHigh(left=payment.refundable())
        is_by_one = refund.cause == Refund.Cause.OPERATOR and not refund.approved_by
        waits = is_by_one and needs_approval(payment, refund.amount, by=by)
        refund.status = Refund.Status.WAITING if waits else Refund.Status.REQUESTED
        refund.tries, refund.due_at = 0, None if waits else timezone.now()
        refund.save(update_fields=["status", "tries", "due_at", "updated_at"])
        record_event(refund, Event.What.REFUND_RETRIED, by=by)


def import_refund(payment: Payment, *, out_request_no: str) -> Refund:
    """Record a refund that was made in Alipay's own console, and nobody here asked for.

    Alipay, asked, says how much it was. Raise AlipayTrouble when it does not say, and Refused when
    it does not know it, or when this payment is not known to be paid.
    """
    if known := payment.refunds.filter(out_request_no=out_request_no).first():
        return known
    amount = alipay.refunded_amount(
        out_trade_no=payment.out_trade_no, out_request_no=out_request_no
    )
    if amount is None:
        raise Refused("refund", "Alipay, asked, does not know it")
    with transaction.atomic():
        payment = locked(payment)
        if not payment.has_moved:
            raise Refused("refund", "of a payment that is not known to be paid")
        refund, is_new = Refund.objects.get_or_create(
            payment=payment,
            out_request_no=out_request_no,
            defaults={"amount": amount, "cause": Refund.Cause.CONSOLE},
        )
        if is_new:
            record_event(refund, Event.What.REFUND_IMPORTED, evidence=yuan(amount))
            refund.mark_done()
    return refund


def locked(payment: Payment) -> Payment:
    """Return a payment with its row locked: who refunds first is counted by whoever is next.

    Its order is read after that: joined to it, it would be that of before the wait.
    """
    return Payment.objects.select_for_update(of=("self",)).get(pk=payment.pk)


def waiting(refund: Refund) -> Refund:
    locked(refund.payment)
    refund = Refund.objects.get(pk=refund.pk)
    if not refund.is_waiting:
        raise RefundNotWaiting
    return refund


def record_event(refund: Refund, what: str, *, evidence: str = "", by: User | None = None) -> None:
    refund.payment.order.record(what, about=refund.out_request_no, evidence=evidence, by=by)


def send(refund: Refund) -> None:
    """Have Alipay do one refund, or find out that it has done it.

    One that ended since it was claimed is let alone: another may have been asked for instead.
    """
    refund.refresh_from_db(fields=["status"])
    if not refund.is_open:
        return
    try:
        why_not = call_alipay(refund)
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


def call_alipay(refund: Refund) -> str:
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
    moved = alipay.refunded_amount(
        out_trade_no=refund.payment.out_trade_no, out_request_no=refund.out_request_no
    )
    if moved not in (None, refund.amount):
        raise ResultUnknown(f"{moved} was refunded instead of {refund.amount}")
    return moved is not None


def look_again(refund: Refund) -> None:
    """Let a refund be done that failed, as Alipay said, if it says otherwise now.

    Raise AlipayTrouble when it does not say.
    """
    if refund.has_failed and is_done(refund):
        refund.mark_done()
        logger.warning("Refund %s: done, although Alipay had said no", refund)


def send_what_is_due() -> int:
    """Send every refund whose time has come; return how many there were."""
    due = Refund.objects.filter(status__in=OPEN_REFUNDS).select_related("payment__order").claim()
    for refund in due:
        with log_and_continue(refund):
            send(refund)
    return len(due)
