"""Who buys, and who keeps the shop."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from core.alters_data import alters_data
from core.append_only import AppendOnly

# So long somebody who made or changed an account counts as the one behind it.
A_WEEK = timedelta(days=7)


class User(AbstractUser):
    """Our own from the first migration, so that it can grow."""

    # Empty until the first login: then it is the language of that page.
    language = models.CharField(
        _("language of emails"), max_length=10, choices=settings.LANGUAGES, blank=True
    )

    @property
    def language_of_letters(self) -> str:
        return self.language or settings.LANGUAGE_CODE

    @alters_data
    def learn_language(self) -> None:
        """Remember the language that is being read, unless one is known already."""
        language = get_language()
        if self.language or language not in dict(settings.LANGUAGES):
            return
        self.language = language
        self.save(update_fields=["language"])

    def behind(self) -> set[int]:
        """Return the ids of those who may be behind this account: whoever had a hand in it lately.

        Its own is among them, and so is that of whoever had a hand in one of theirs.
        """
        changes = AccountChange.objects.filter(at__gt=timezone.now() - A_WEEK)
        found: set[int] = set()
        new = {self.pk}
        while new:
            found |= new
            new = set(changes.filter(account__in=new).values_list("by", flat=True)) - found
        return found


class AccountChange(AppendOnly):
    """That somebody made another's account, or changed what it is or what it may."""

    class What(models.TextChoices):
        MADE = "MADE", _("Account made")
        CHANGED = "CHANGED", _("Account changed")  # name, address, roles, whether it is active
        LINK_SENT = "LINK_SENT", _("Link to a password sent")

    account = models.ForeignKey(
        User, verbose_name=_("account"), on_delete=models.PROTECT, related_name="changes"
    )
    by = models.ForeignKey(User, verbose_name=_("by"), on_delete=models.PROTECT, related_name="+")
    what = models.CharField(_("what"), max_length=10, choices=What.choices)
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        ordering = ["id"]
        verbose_name = _("change of an account")
        verbose_name_plural = _("changes of accounts")

    def __str__(self) -> str:
        return f"{self.account}: {self.get_what_display()}"
