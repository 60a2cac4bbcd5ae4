"""Rows that are written once and never change: what happened, happened.

The model refuses in words; triggers in the database refuse everybody else, raw SQL too.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

WORDS = "rows are only ever added"

SQL = {
    "postgresql": (
        """
        CREATE FUNCTION {table}_never_changes() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
            RAISE EXCEPTION '{table}: {words}' USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """,
        """
        CREATE TRIGGER {table}_never_changes BEFORE UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION {table}_never_changes()
        """,
    ),
    "sqlite": tuple(
        f"""
        CREATE TRIGGER {{table}}_no_{event} BEFORE {event} ON {{table}}
        BEGIN SELECT RAISE(ABORT, '{{table}}: {{words}}'); END
        """
        for event in ("update", "delete")
    ),
}
UNDO_SQL = {
    "postgresql": (
        "DROP TRIGGER {table}_never_changes ON {table}",
        "DROP FUNCTION {table}_never_changes()",
    ),
    "sqlite": ("DROP TRIGGER {table}_no_update", "DROP TRIGGER {table}_no_delete"),
}


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


def guard(table: str) -> migrations.RunPython:
    """Return the operation of a migration that puts the triggers on a table."""

    def forwards(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        for statement in sql(SQL[editor.connection.vendor], table):
            editor.execute(statement, params=None)

    def backwards(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        for statement in sql(UNDO_SQL[editor.connection.vendor], table):
            editor.execute(statement, params=None)

    return migrations.RunPython(forwards, backwards)


def sql(statements: tuple[str, ...], table: str) -> list[str]:
    return [statement.format(table=table, words=WORDS) for statement in statements]
