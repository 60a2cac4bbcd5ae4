"""Signing up, and where letters go; everything else about passwords is Django's."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import UserCreationForm, UsernameField
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from users.models import User
from users.usernames import refuse_lookalikes


class RegistrationForm(UserCreationForm):
    """A name and a password; an address only for those who want letters."""

    email = forms.EmailField(
        label=_("Email (optional)"),
        required=False,
        max_length=254,
        help_text=_("For emails about your orders, and to reset your password."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username", "email")
        error_messages = {
            "username": {"unique": _("This username cannot be used. Please choose another.")}
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs["autocomplete"] = "username"
        self.fields["username"].validators.append(refuse_lookalikes)

    def create(self) -> User | None:
        """Make the account, or leave the words in ``errors`` and return None.

        Hashing the password takes a while; a second click may have taken the name meanwhile.
        """
        if not self.is_valid():
            return None
        try:
            with transaction.atomic():
                user = self.save()
                user.learn_language()
                return user
        except IntegrityError:
            self.add_error("username", self.Meta.error_messages["username"]["unique"])
            return None


class NewAccountForm(forms.ModelForm):
    """An account of the staff: without a password, until its owner has chosen one by a link."""

    email = User._meta.get_field("email").formfield(required=True)

    class Meta:
        model = User
        fields = ("username", "email")
        field_classes = {"username": UsernameField}

    def save(self, commit: bool = True) -> User:
        self.instance.set_unusable_password()
        return super().save(commit)


class AccountForm(forms.ModelForm):
    """Where letters go, and in which language.

    Whoever has the address can choose a new password, so a new address needs the present one: a
    session that was left open is not enough.
    """

    password = forms.CharField(
        label=_("Your password"),
        required=False,
        max_length=128,
        strip=False,
        help_text=_("Only needed to change the address."),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    class Meta:
        model = User
        fields = ("email", "language")
        labels = {"email": _("Email (optional)")}
        help_texts = {"email": _("For emails about your orders, and to reset your password.")}
        widgets = {"email": forms.EmailInput(attrs={"autocomplete": "email"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["language"] = self.instance.language_of_letters
        self.fields["language"] = forms.ChoiceField(
            label=_("Language of the emails"), choices=settings.LANGUAGES
        )

    def clean(self) -> dict[str, Any]:
        told = super().clean() or {}
        if "email" in self.changed_data and "email" in told:
            password = told.get("password") or ""
            if not User.objects.get(pk=self.instance.pk).check_password(password):
                self.add_error("password", _("This is not your password."))
        return told
