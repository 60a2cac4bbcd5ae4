"""Who buys, and who keeps the shop."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from core.alters_data import alters_data


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
