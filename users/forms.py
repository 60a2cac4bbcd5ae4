"""Signing up; everything else about passwords is Django's."""

from typing import Any

from django import forms
from django.contrib.auth.forms import UserCreationForm
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from users.models import User


class RegistrationForm(UserCreationForm):
    """A name and a password; an address only for those who want to be able to reset it."""

    email = forms.EmailField(
        label=_("Email (optional)"),
        required=False,
        help_text=_("Only used to reset your password."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username", "email")
        error_messages = {
            "username": {"unique": _("This username can not be used. Please choose another.")}
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs["autocomplete"] = "username"

    def create(self) -> User | None:
        """Make the account, or leave the words in ``errors`` and return None.

        Hashing the password takes a while; a second click may have taken the name meanwhile.
        """
        if not self.is_valid():
            return None
        try:
            with transaction.atomic():
                return self.save()
        except IntegrityError:
            self.add_error("username", self.Meta.error_messages["username"]["unique"])
            return None
