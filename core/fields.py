"""Fields that several rooms have."""

from typing import Any

from django.conf import settings
from django.db import models


class ByField(models.ForeignKey):
    """Who did it, where it was a person: an account, which stays as long as what it did."""

    def __init__(self, verbose_name: Any, **kwargs: Any) -> None:
        defaults = {
            "to": settings.AUTH_USER_MODEL,
            "on_delete": models.PROTECT,
            "related_name": "+",
            "blank": True,
        }
        super().__init__(**{"verbose_name": verbose_name, **defaults, **kwargs})

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """Be a plain ForeignKey in migrations."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.ForeignKey", list(args), kwargs
