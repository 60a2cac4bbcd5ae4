"""What a shop of one person is told before a large refund goes: `payments.one_person`.

It is told to everybody who could approve it: if one person's session was stolen, that person reads
of the refund in time. Nobody told is nothing let go.
"""

import logging
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import send_mail
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext

from core.admin import page
from core.due import log_and_continue
from core.money import yuan
from payments import one_person
from payments.models.refund import Refund

logger = logging.getLogger(__name__)


def tell_of_what_waits() -> int:
    """Tell of each refund that waits and was not told yet; return how many there were."""
    waiting = one_person.untold()
    for refund in waiting:
        with log_and_continue(refund):
            if tell(refund):
                one_person.begin_the_hour(refund)
            else:
                logger.error("Refund %s: waits on, as nobody could be told", refund)
    return len(waiting)


def readers() -> QuerySet[Any]:
    """Return who is told: everybody who may approve, and has an address."""
    backend = "django.contrib.auth.backends.ModelBackend"
    may = get_user_model().objects.with_perm("payments.approve_refund", backend=backend)
    return may.filter(is_staff=True).exclude(email="")


def tell(refund: Refund) -> bool:
    """Write to each; return whether anybody could be told."""
    told = [write(refund, to=reader) for reader in readers()]
    return any(told)


def write(refund: Refund, *, to: Any) -> bool:
    with translation.override(to.language_of_letters):
        subject = gettext("A refund of {amount} goes in an hour").format(amount=yuan(refund.amount))
        context = {"refund": refund, "amount": yuan(refund.amount)}
        if settings.SHOP_URL:
            context["address"] = f"{settings.SHOP_URL}{page(refund)}"
        words = render_to_string("letters/one_person.txt", context)
    try:
        return bool(send_mail(subject, words, from_email=None, recipient_list=[to.email]))
    except OSError as trouble:
        logger.warning("Refund %s: not told: %s", refund, type(trouble).__name__)
        return False
