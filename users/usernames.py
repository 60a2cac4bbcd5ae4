"""Which names an account may have: none that reads like another's."""

import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _


def refuse_lookalikes(username: str) -> None:
    """Raise ValidationError for letters and digits that are neither Chinese nor ASCII.

    In Cyrillic, ``аdmin`` looks as ``admin`` does.
    """
    for character in username:
        if character.isalnum() and not (character.isascii() or is_chinese(character)):
            raise ValidationError(
                _("Use Chinese characters, English letters, digits and @ . + - _ only.")
            )


def is_chinese(character: str) -> bool:
    return unicodedata.name(character, "").startswith("CJK UNIFIED IDEOGRAPH")
