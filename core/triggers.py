"""What a migration writes into the database, so that rows are only ever added to a table.

Merged migrations run this file: what they made must stay what they make. A new kind of trigger is
a new function, and a new migration that calls it.
"""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

WORDS = "rows are only ever added"

FUNCTION = """
    CREATE FUNCTION {table}_%s() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN
        RAISE EXCEPTION '{table}: {words}' USING ERRCODE = 'integrity_constraint_violation';
    END $$
"""
UPDATE_DELETE: dict[str, tuple[str, ...]] = {
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
REPLACE_TRUNCATE: dict[str, tuple[str, ...]] = {
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
UNDO_REPLACE_TRUNCATE: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "DROP TRIGGER {table}_no_truncate ON {table}",
        "DROP FUNCTION {table}_no_truncate()",
    ),
    "sqlite": ("DROP TRIGGER {table}_no_replace",),
}
UNDO_UPDATE_DELETE: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "DROP TRIGGER {table}_never_changes ON {table}",
        "DROP FUNCTION {table}_never_changes()",
    ),
    "sqlite": ("DROP TRIGGER {table}_no_update", "DROP TRIGGER {table}_no_delete"),
}


def forbid_update_delete(table: str) -> migrations.RunPython:
    """Return the operation of a migration that lets no row of a table be changed or deleted."""
    return _by_vendor(UPDATE_DELETE, UNDO_UPDATE_DELETE, table)


def forbid_replace_truncate(table: str, *, same: str = "FALSE") -> migrations.RunPython:
    """Return the one that lets no row be replaced, nor all of them be truncated.

    ``same`` is SQL for SQLite: whether a row would give way to ``NEW`` by a unique key beside the
    id.
    """
    return _by_vendor(REPLACE_TRUNCATE, UNDO_REPLACE_TRUNCATE, table, same=same)


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
