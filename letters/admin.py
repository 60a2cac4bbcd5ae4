"""The letters, to look at; and the one thing to do: send one again."""

from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.template.defaultfilters import linebreaksbr
from django.utils.html import escape
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.admin import ReadOnly
from core.buttons import Button, WithButtons
from letters import post
from letters.models import Letter
from orders.models import Order
from users.models import User


def again(letter: Letter, *, by: User) -> str:
    copy = post.again(letter, by=by)
    return gettext("The email goes to {to} once more.").format(to=copy.to)


def what_sending_again_does(letter: Letter) -> str:
    return gettext("The email “{kind}” about order {order} is sent once more, to {to}.").format(
        kind=letter.get_kind_display(),
        order=letter.event.order,
        to=letter.event.order.user.email or letter.to,
    )


AGAIN = Button(
    name="again",
    permission="letters.resend_letter",
    label=_("Send again"),
    confirmation=what_sending_again_does,
    do=again,
    is_available=lambda letter: not letter.is_waiting,
)


@admin.register(Letter)
class LetterAdmin(ReadOnly, WithButtons):
    buttons = [AGAIN]
    list_display = ("written_at", "order", "kind", "to", "copy", "status", "tries", "sent_at")
    list_filter = ("status", "kind", "language", "written_at")
    list_select_related = ("event__order",)
    list_per_page = 50
    search_fields = ("event__order__order_id", "event__order__user__username", "to")
    search_help_text = "order_id · username · email"
    fields = (
        "order",
        "kind",
        "to",
        "language",
        "copy",
        "asked_by",
        "status",
        "tries",
        "due_at",
        "last_error",
        "written_at",
        "sent_at",
        "number",
        "text",
    )

    @admin.display(description=_("order"), ordering="event__order")
    def order(self, letter: Letter) -> Order:
        return letter.event.order

    @admin.display(description=_("text"))
    def text(self, letter: Letter) -> str:
        """Show what the letter would say now.

        Whatever a template wrote counts as safe HTML, also a text that no template escaped, and
        str() does not change that.
        """
        try:
            return linebreaksbr(escape(post.message_of(letter).body))
        except ObjectDoesNotExist as trouble:
            return str(trouble)
