"""What a letter says. Text and HTML are made of the same words, so that they say the same.

subject     the order number is in it, and nothing that anybody typed
says        a few sentences
facts       what belongs to this letter alone, a name and a value each
lines       the order's goods
leads       one link: to pay, or to see the order; none when the shop's address is not known
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from core.money import yuan
from letters.models import Letter
from orders.models import Order, OrderItem
from payments.models.refund import Refund


@dataclass
class Words:
    title: str
    says: list[str]
    facts: list[tuple[str, str]] = field(default_factory=list)
    button: str = ""
    path: str = ""

    @property
    def address(self) -> str:
        """Return where the button leads: nowhere rather than to a wrong place."""
        return f"{settings.SHOP_URL}{self.path}" if settings.SHOP_URL and self.path else ""


def words_of(letter: Letter) -> Words:
    """Say it in the language that is active."""
    return WORDS[letter.kind](letter)


def subject(letter: Letter, words: Words) -> str:
    return _("%(title)s: order %(number)s") % {
        "title": words.title,
        "number": letter.event.order.order_id,
    }


def placed(letter: Letter) -> Words:
    order = letter.event.order
    words = seeing(
        order,
        _("Order received"),
        [_("Thank you! We have received your order.")],
        [(_("Ordered"), beijing(order.created_at))],
    )
    # It may have been paid or cancelled before this letter was sent.
    if order.is_payable:
        words.says.append(
            _("Please pay %(total)s before %(time)s; until then the goods are held for you.")
            % {"total": yuan(order.total_price), "time": beijing(order.expires_at)}
        )
        words.facts.append((_("Please pay before"), beijing(order.expires_at)))
        words.button, words.path = _("Pay this order"), order.get_payment_url()
    return words


def paid(letter: Letter) -> Words:
    order = letter.event.order
    facts = [(_("Amount paid"), yuan(order.total_price))]
    if order.paid_at:
        facts.append((_("Paid at"), beijing(order.paid_at)))
    facts.append((_("Payment method"), order.get_payment_method_display()))
    facts.append((_("Transaction number"), order.transaction_id))
    says = _("We have received your payment of %(total)s. Thank you!")
    return seeing(order, _("Payment received"), [says % {"total": yuan(order.total_price)}], facts)


def cancelled(letter: Letter) -> Words:
    order = letter.event.order
    is_buyers_wish = letter.event.by_id == order.user_id
    says = (
        _("You have cancelled this order.")
        if is_buyers_wish
        else _("The shop has cancelled this order.")
    )
    return seeing(
        order,
        _("Order cancelled"),
        [says, nothing_to_pay()],
        [(_("Cancelled at"), beijing(letter.event.at))],
    )


def expired(letter: Letter) -> Words:
    order = letter.event.order
    says = _("This order was not paid in time, so it is cancelled.")
    return seeing(
        order,
        _("Order cancelled"),
        [says, nothing_to_pay()],
        [(_("Cancelled at"), beijing(letter.event.at))],
    )


def nothing_to_pay() -> str:
    return _(
        "Nothing is to be paid any more. Should money still come, all of it goes back by itself."
    )


def refund_done(letter: Letter) -> Words:
    """Say how much went back, and why: for a refund, or for money that came too late or twice."""
    order = letter.event.order
    refund = Refund.objects.select_related("payment").get(
        payment__order=order, out_request_no=letter.event.about
    )
    amounts = {"amount": yuan(refund.amount), "paid": yuan(refund.payment.amount)}
    if refund.is_late_money:
        title = _("Your money is on its way back")
        says = _(
            "A payment of %(amount)s came after the order was settled or cancelled. "
            "All of it has been sent back."
        )
    elif refund.amount == refund.payment.amount:
        title = _("Refund")
        says = _("%(amount)s has been sent back to you: all that you paid.")
    else:
        title = _("Refund in part")
        says = _("%(amount)s of the %(paid)s that you paid has been sent back to you.")
    facts = [(_("Amount returned"), yuan(refund.amount))]
    if refund.done_at:
        facts.append((_("Returned at"), beijing(refund.done_at)))
    if refund.reason:
        facts.append((_("Reason"), refund.reason))
    facts.append((_("Refund number"), refund.out_request_no))
    takes_the_way = _("It comes back in the way in which you paid; the bank may take a few days.")
    return seeing(order, title, [says % amounts, takes_the_way], facts)


WORDS: dict[str, Callable[[Letter], Words]] = {
    Letter.Kind.PLACED: placed,
    Letter.Kind.PAID: paid,
    Letter.Kind.CANCELLED: cancelled,
    Letter.Kind.EXPIRED: expired,
    Letter.Kind.REFUND_DONE: refund_done,
}


def seeing(order: Order, title: str, says: list[str], facts: list[tuple[str, str]]) -> Words:
    return Words(
        title=title,
        says=says,
        facts=[(_("Order number"), order.order_id), *facts],
        button=_("See the order"),
        path=order.get_absolute_url(),
    )


def beijing(moment: datetime) -> str:
    """Write a time so that nobody has to ask whose clock it is."""
    local = timezone.localtime(moment, timezone.get_default_timezone())
    return _("%(time)s Beijing time") % {"time": f"{local:%Y-%m-%d %H:%M}"}


def lines_of(order: Order) -> list[tuple[str, int, str]]:
    """Return the goods: name, quantity, and what they come to."""
    items: list[OrderItem] = list(order.items.all())
    return [(item.product_name, item.quantity, yuan(item.line_total)) for item in items]
