"""Rows that are written once and never change: what happened, happened.

The model refuses in words; triggers in the database (`core.triggers`) refuse everybody else, raw
SQL too.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models

from core.triggers import WORDS


class NeverChanges(Exception):
    """Somebody tried to change or delete what is a record."""

    def __init__(self) -> None:
        super().__init__(WORDS)


class AppendOnlyQuerySet(models.QuerySet[Any]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise NeverChanges

    def delete(self) -> NoReturn:
        raise NeverChanges

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NeverChanges


class AppendOnly(models.Model):
    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the row; raise NeverChanges when it is there already."""
        if not self._state.adding:
            raise NeverChanges
        super().save(*args, **kwargs | {"force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NeverChanges
