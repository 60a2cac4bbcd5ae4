"""A link by which somebody chooses their own password: sent to their address, to nobody else.

Whoever keeps the accounts never knows or sets another's password. The link stops working when it
has been used, and when it has grown too old (PASSWORD_RESET_TIMEOUT).
"""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.problems import Problem
from users.models import AccountChange, User


class NowhereToSend(Problem):
    status, slug = 409, "nowhere-to-send"
    title = _("There is nowhere to send the link")
    detail = _("The account has no email address, or the shop does not know its own (SHOP_URL).")


class MailNotSent(Problem):
    status, slug = 503, "mail-not-sent"
    title = _("The mail server does not take the email")
    detail = _("No link was sent. Please try again later.")


def what_sending_does(user: User) -> str:
    return gettext(
        "{who} gets a link at {email}, and chooses a password of their own. Until then the present "
        "one stays. For seven days you cannot approve anything for this account, nor it for you."
    ).format(who=user, email=user.email or "–")


def send(user: User, *, by: User) -> str:
    """Send the link; raise NowhereToSend when there is no address of the one or of the other."""
    if not (user.email and settings.SHOP_URL):
        raise NowhereToSend
    # Written down first: a letter that was sent, and nobody knows by whom, must not be.
    if user != by:
        AccountChange.objects.create(account=user, by=by, what=AccountChange.What.LINK_SENT)
    with translation.override(user.language_of_letters):
        subject = gettext("Choose a password for the Guitai shop")
        words = render_to_string("users/password_link.txt", {"user": user, "link": link_for(user)})
    try:
        send_mail(subject, words, from_email=None, recipient_list=[user.email])
    except OSError as trouble:
        raise MailNotSent from trouble
    return gettext("A link is on its way to {email}.").format(email=user.email)


def link_for(user: User) -> str:
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    token = default_token_generator.make_token(user)
    return f"{settings.SHOP_URL}{reverse('users:password_reset_confirm', args=[uid, token])}"
