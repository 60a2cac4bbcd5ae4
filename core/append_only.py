"""Rows that are written once and never change: what happened, happened.

The model refuses in words; triggers in the database refuse everybody else, raw SQL too.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

WORDS = "rows are only ever added"

FUNCTION = """
    CREATE FUNCTION {table}_%s() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN
        RAISE EXCEPTION '{table}: {words}' USING ERRCODE = 'integrity_constraint_violation';
    END $$
"""
SQL: dict[str, tuple[str, ...]] = {
    "postgresql": (
        FUNCTION % "never_changes",
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
# What replaces rows, or throws all of them away, fires no trigger of these.
MORE_SQL: dict[str, tuple[str, ...]] = {
    "postgresql": (
        FUNCTION % "no_truncate",
        """
        CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION {table}_no_truncate()
        """,
    ),
    "sqlite": (
        """
        CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}
        WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) OR {same}
        BEGIN SELECT RAISE(ABORT, '{table}: {words}'); END
        """,
    ),
}
UNDO_MORE_SQL: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "DROP TRIGGER {table}_no_truncate ON {table}",
        "DROP FUNCTION {table}_no_truncate()",
    ),
    "sqlite": ("DROP TRIGGER {table}_no_replace",),
}
UNDO_SQL: dict[str, tuple[str, ...]] = {
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
    """Return the operation of a migration that lets no row of a table be changed or deleted."""
    return _by_vendor(SQL, UNDO_SQL, table)


def guard_the_whole(table: str, *, same: str = "FALSE") -> migrations.RunPython:
    """Return the one that lets no row be replaced, nor all of them be truncated.

    ``same`` is SQL for SQLite: whether a row would give way to ``NEW`` by a unique key beside the
    id.
    """
    return _by_vendor(MORE_SQL, UNDO_MORE_SQL, table, same=same)


def _by_vendor(
    do: dict[str, tuple[str, ...]], undo: dict[str, tuple[str, ...]], table: str, **words: str
) -> migrations.RunPython:
    def forwards(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        for statement in sql(do[editor.connection.vendor], table, **words):
            editor.execute(statement, params=None)

    def backwards(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        for statement in sql(undo[editor.connection.vendor], table, **words):
            editor.execute(statement, params=None)

    return migrations.RunPython(forwards, backwards)


def sql(statements: tuple[str, ...], table: str, **words: str) -> list[str]:
    return [statement.format(table=table, words=WORDS, **words) for statement in statements]
