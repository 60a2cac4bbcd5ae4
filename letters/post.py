"""How a letter gets to its buyer, once, and never in the way of a sale.

    1. write    the worker looks for events without a letter. An event stands in the transaction of
                the change that it tells of, so there is a letter for what happened and for
                nothing else; the sale itself writes none
    2. claim    one letter, so that no other worker has it: core.due
    3. send     outside of any transaction, to a mail server that may be slow, or gone
    4. remember sent; or when to try again, until it is given up

Killed between 2 and 3, it is sent at its next try. Killed between 3 and 4, it is sent twice, for
no mail server can be asked; both have one Message-ID, which mail programs show once.
"""

import logging
import smtplib
from contextlib import suppress
from datetime import timedelta
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone, translation

from core.due import log_and_continue
from core.money import yuan
from letters.exceptions import StillOnItsWay
from letters.models import Letter
from letters.words import lines_of, subject, words_of
from orders.models import Event
from users.models import User

logger = logging.getLogger(__name__)

# What is older was never told, and is not told any more.
A_DAY = timedelta(days=1)
# More are left to the next tick.
BATCH = 100


# Trouble that is over with the next letter. All other trouble is the mail server's.
ABOUT_THE_LETTER = (
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,
    ValueError,
)


# 1. Write


def events_to_tell() -> list[Event]:
    """Return events of the last day without a letter, of buyers who have an address.

    Not "those after the last one told": transactions commit in another order than that of their
    ids.
    """
    untold = Event.objects.filter(
        what__in=Letter.Kind.values, at__gte=timezone.now() - A_DAY, letters__isnull=True
    ).exclude(order__user__email="")
    return list(untold.select_related("order__user").order_by("at")[:BATCH])


def write_letters() -> int:
    """Write the letters that are missing; return how many events had none."""
    events = events_to_tell()
    # Another worker may have written some of them just now.
    Letter.objects.bulk_create([Letter.of(event) for event in events], ignore_conflicts=True)
    return len(events)


def again(letter: Letter, *, by: User) -> Letter:
    """Write a letter again, to where its buyer wants letters now; return the copy.

    Raise StillOnItsWay while one of its copies waits: a second click sends nothing more.
    """
    with transaction.atomic():
        # The first copy's row is the lock of all.
        copies = Letter.objects.filter(event=letter.event)
        first = copies.select_for_update().get(copy=1)
        last = copies.latest("copy")
        if last.is_waiting:
            raise StillOnItsWay
        copy = Letter.of(letter.event, copy=last.copy + 1, asked_by=by)
        copy.to = copy.to or first.to
        copy.save()
    logger.info("Letter %s: to be sent again, says %s", copy.number, by)
    return copy


# 2. and 3. Claim and send


def send_what_is_due() -> int:
    """Send the letters whose time has come, one after the other; return how many were tried.

    A mail server that is gone or too slow is left alone until the next tick.
    """
    server = mail.get_connection()
    tried = 0
    while tried < BATCH and (letter := Letter.objects.take()):
        tried += 1
        with log_and_continue(letter):
            if not send(letter, server):
                break
    with suppress(OSError):
        server.close()
    return tried


def send(letter: Letter, server: Any) -> bool:
    """Hand one letter to the mail server; return whether there is one."""
    if letter.tries > Letter.MAX_TRIES:
        # Whoever tried it broke down each time.
        letter.put_off(letter.last_error or "no try came to an end")
        return True
    message = message_of(letter)
    try:
        server.open()
        server.send_messages([message])
    except (OSError, ValueError) as trouble:
        put_off(letter, trouble)
        return isinstance(trouble, ABOUT_THE_LETTER)
    letter.mark_sent()
    logger.info("Letter %s: sent, order %s", letter.number, letter.event.order)
    return True


def put_off(letter: Letter, trouble: Exception) -> None:
    """Write down why; the log has no address of a buyer's."""
    kind = type(trouble).__name__
    letter.put_off(f"{kind}: {trouble}")
    if letter.is_waiting:
        logger.warning("Letter %s: not sent, tried again later: %s", letter.number, kind)
    else:
        logger.error("Letter %s: given up, a person must look: %s", letter.number, kind)


def message_of(letter: Letter) -> EmailMultiAlternatives:
    """Put a letter into an envelope: no address or text of a buyer's is in any head but To."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    with translation.override(letter.language):
        words = words_of(letter)
        context = {
            "letter": letter,
            "words": words,
            "lines": lines_of(letter.event.order),
            "total": yuan(letter.event.order.total_price),
        }
        message = EmailMultiAlternatives(
            subject=subject(letter, words),
            body=render_to_string("letters/letter.txt", context),
            to=[letter.to],
            headers={
                "Message-ID": f"<{letter.number}@{domain}>",
                "Content-Language": "en" if letter.language == "en" else "zh-CN",
                # Nobody's holiday notice answers a machine.
                "Auto-Submitted": "auto-generated",
            },
        )
        message.attach_alternative(render_to_string("letters/letter.html", context), "text/html")
    return message
