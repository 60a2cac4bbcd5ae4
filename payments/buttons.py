"""What an operator may do by a button: about an order, a payment, a refund or a notice.

The stories themselves are told elsewhere (`expiry`, `refunds`, `notify`), and say there who is
refused; here stands when a button is shown, what it asks before, and what it says afterwards.
"""

from typing import Any

from django import forms
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.admin import changelist
from core.buttons import Button, Link
from core.money import LARGEST, SMALLEST, yuan
from orders.models import Order
from payments import expiry, notify, one_person, query, refunds
from payments.exceptions import AskLater, NothingToAsk
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.models.refund import Refund
from users.models import User


class RefundForm(forms.Form):
    amount = forms.DecimalField(
        label=_("amount (yuan)"),
        min_value=SMALLEST,
        max_value=LARGEST,
        max_digits=11,
        decimal_places=2,
    )
    reason = forms.CharField(
        label=_("reason"), max_length=200, help_text=_("The buyer reads it here and in Alipay.")
    )
    restocks = forms.BooleanField(
        label=_("The goods come back to the stock"),
        required=False,
        help_text=_("All of the order's goods, once."),
    )

    # How many refunds there were when the form was shown: sent twice, it asks once.
    after = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)


class DeclineForm(forms.Form):
    reason = forms.CharField(
        label=_("reason"), max_length=200, help_text=_("Whoever asked for the refund reads it.")
    )


# An order


def ask_about_each_attempt(order: Order, *, by: User) -> str:
    attempts = list(order.payments.open())
    if not attempts:
        raise NothingToAsk
    answers = [query.ask(payment, by=by) for payment in attempts]
    if not all(answers):
        raise AskLater
    order.refresh_from_db()
    return gettext("Alipay was asked. The order is now: {status}").format(
        status=order.get_status_display()
    )


def what_asking_does(row: Order | Payment) -> str:
    return gettext(
        "Alipay is asked now what became of {what}, and what it says is recorded."
    ).format(what=row)


def cancel(order: Order, *, by: User) -> str:
    expiry.cancel_now(order, by=by)
    return gettext("The order is cancelled, and its goods are back in the stock.")


def what_cancelling_does(order: Order) -> str:
    return gettext(
        "Alipay is asked first whether order {order} has been paid. If not, nobody can pay it any "
        "more, it is cancelled, and its goods go back to the stock."
    ).format(order=order)


def is_refundable(order: Order) -> bool:
    payment = Payment.objects.that_paid(order)
    return bool(payment and payment.is_refundable)


def refund_form_of(order: Order) -> str:
    payment = Payment.objects.that_paid(order)
    return REFUND.address(payment) if payment else reverse("admin:payments_payment_changelist")


# A payment


def ask_about(payment: Payment, *, by: User) -> str:
    if not payment.is_open:
        raise NothingToAsk
    if not query.ask(payment, by=by):
        raise AskLater
    payment.refresh_from_db()
    return gettext("Alipay was asked. The payment is now: {status}").format(
        status=payment.get_status_display()
    )


def refund(payment: Payment, *, by: User, **wanted: Any) -> str:
    asked = refunds.request_refund(payment, by=by, **wanted)
    if asked.is_waiting and one_person.has_begun():
        return gettext(
            "The refund is told by email, and goes an hour later; until then it can be declined."
        )
    if asked.is_waiting:
        return gettext("The refund waits until a second operator approves it.")
    return gettext("The refund is on its way; look here what became of it.")


def what_can_go_back(payment: Payment) -> str:
    return gettext("Order {order}: {paid} was paid, {left} can go back.").format(
        order=payment.order, paid=yuan(payment.amount), left=yuan(payment.refundable())
    )


# A refund


def approve(refund: Refund, *, by: User) -> str:
    refunds.approve(refund, by=by)
    return gettext("Approved: the refund is on its way.")


def decline(refund: Refund, *, by: User, reason: str) -> str:
    refunds.decline(refund, by=by, reason=reason)
    return gettext("Declined: no money moves.")


def retry(refund: Refund, *, by: User) -> str:
    refunds.retry(refund, by=by)
    return gettext("The refund is on its way; look here what became of it.")


def what_is_asked(refund: Refund) -> str:
    return gettext(
        "{who} asks that {amount} of order {order} go back. The reason: {reason}"
    ).format(
        who=refund.requested_by or "–",
        amount=yuan(refund.amount),
        order=refund.payment.order,
        reason=refund.reason or "–",
    )


def what_trying_again_does(refund: Refund) -> str:
    return gettext(
        "Alipay is asked once more to send back {amount} of order {order}, by the same number, so "
        "that it cannot go twice. Alipay's last answer was: {answer}"
    ).format(
        amount=yuan(refund.amount), order=refund.payment.order, answer=refund.last_answer or "–"
    )


# A notice


def replay(notice: Notice, *, by: User) -> str:
    notify.replay(notice, by=by)
    return gettext("Replayed: {verdict}").format(verdict=notice.get_verdict_display())


def what_replaying_does(notice: Notice) -> str:
    return gettext(
        "The notice is judged anew, as it came: its signature, and everything that it says. What "
        "is forged stays refused."
    )


ASK = Button(
    name="ask",
    permission="payments.ask_payment",
    label=_("Ask Alipay now"),
    confirmation=what_asking_does,
    do=ask_about,
    is_available=lambda payment: payment.is_open,
    is_harmless=True,
)
REFUND = Button(
    name="refund",
    permission="payments.add_refund",
    label=_("Refund"),
    confirmation=what_can_go_back,
    do=refund,
    is_available=lambda payment: payment.is_refundable,
    form=RefundForm,
    initial=lambda payment: {"amount": payment.refundable(), "after": payment.refunds.count()},
)
ON_PAYMENT = [ASK, REFUND]

ON_ORDER: list[Button | Link] = [
    Link(
        permission="payments.view_payment",
        label=_("Payments"),
        address=lambda order: changelist(Payment, order__id__exact=str(order.pk)),
        asks=False,
    ),
    Button(
        name="ask",
        permission="payments.ask_payment",
        label=_("Ask Alipay now"),
        confirmation=what_asking_does,
        do=ask_about_each_attempt,
        is_available=lambda order: order.payments.open().exists(),
        is_harmless=True,
    ),
    Link(
        permission="payments.add_refund",
        label=_("Refund"),
        address=refund_form_of,
        is_available=is_refundable,
    ),
    Button(
        name="cancel",
        permission="orders.cancel_order",
        label=_("Cancel the order"),
        confirmation=what_cancelling_does,
        do=cancel,
        is_available=lambda order: order.is_cancellable,
        is_destructive=True,
    ),
]

ON_REFUND = [
    Button(
        name="approve",
        permission="payments.approve_refund",
        label=_("Approve"),
        confirmation=what_is_asked,
        do=approve,
        is_available=lambda refund: refund.is_waiting,
    ),
    Button(
        name="decline",
        permission="payments.approve_refund",
        label=_("Decline"),
        confirmation=what_is_asked,
        do=decline,
        is_available=lambda refund: refund.is_waiting,
        form=DeclineForm,
        is_destructive=True,
    ),
    Button(
        name="retry",
        permission="payments.add_refund",
        label=_("Try again"),
        confirmation=what_trying_again_does,
        do=retry,
        is_available=lambda refund: refund.has_failed,
    ),
]

ON_NOTICE = [
    Button(
        name="replay",
        permission="payments.replay_notice",
        label=_("Replay"),
        confirmation=what_replaying_does,
        do=replay,
        is_available=lambda notice: notice.is_replayable,
    ),
]
