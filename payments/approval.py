"""What one operator may decide alone, and who may be the second.

alone     what one operator sends back of one payment, and of all payments on one day in Beijing,
          is no more than REFUND_APPROVAL_AMOUNT; what is above it waits for a second operator
second    somebody else than who asked, and nobody who is behind the account of who asked, or has
          the same people behind their own (`User.behind`): four eyes are two persons'
own       nobody has a hand in the money of an order that is their own
"""

from decimal import Decimal

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from orders.models import Event
from payments.exceptions import OwnOrder, SecondOperatorNeeded
from payments.models.payment import Payment
from payments.models.refund import Refund
from users.models import User

# What an operator does that lets a refund go, unless it waits.
DECIDED = (Event.What.REFUND_REQUESTED, Event.What.REFUND_RETRIED)


def needs_approval(payment: Payment, amount: Decimal, *, by: User) -> bool:
    """Whether one operator alone would send back more than one may.

    Call it under the payment's lock. The operator's row is locked here: of two refunds of two
    payments at once, the second counts the first.
    """
    User.objects.select_for_update(no_key=True).only("pk").get(pk=by.pk)
    alone = max(payment.refunded_by_one(), sent_back_today(by))
    return amount + alone > settings.REFUND_APPROVAL_AMOUNT


def sent_back_today(by: User) -> Decimal:
    """Return what an operator alone has let go today, whatever payments it was of."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    decided = Event.objects.filter(
        order=OuterRef("payment__order"),
        about=OuterRef("out_request_no"),
        what__in=DECIDED,
        by=by,
        at__gte=midnight,
    )
    alone = Refund.objects.standing().by_one().exclude(status=Refund.Status.WAITING)
    return alone.filter(Exists(decided)).total()


def refuse_own(payment: Payment, *, by: User) -> None:
    """Raise OwnOrder for whoever placed the order of this payment."""
    if payment.order.user_id == by.pk:
        raise OwnOrder


def refuse_same_person(refund: Refund, *, by: User) -> None:
    """Raise SecondOperatorNeeded unless somebody else than who asked looks at a refund."""
    if refund.requested_by and refund.requested_by.behind() & by.behind():
        raise SecondOperatorNeeded
