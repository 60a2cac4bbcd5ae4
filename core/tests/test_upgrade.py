"""A shop of before becomes one of today by `migrate`: with its rows, every trigger and bound."""

import contextlib
import re
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection

from conftest import environment_of_a_child
from core.append_only import AppendOnly
from core.tests.dumps.programs import program

DUMPS = sorted((Path(__file__).parent / "dumps").glob(f"*.{connection.vendor}.sql"))

CATALOGUE = {
    "sqlite": """
        SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL
    """,
    "postgresql": r"""
        SELECT 'constraint', conrelid::regclass || ' ' || conname,
            -- A list that was restored has its casts elsewhere.
            regexp_replace(pg_get_constraintdef(oid), '::(character varying|text)|[][()]', '', 'g')
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION SELECT 'trigger', tgname, pg_get_triggerdef(oid)
            FROM pg_trigger WHERE NOT tgisinternal
        UNION SELECT 'function', proname, prosrc
            FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION SELECT 'index', indexname, indexdef
            FROM pg_indexes WHERE schemaname = 'public'
        UNION SELECT 'column', table_name || ' ' || column_name, data_type || ' ' || is_nullable
            FROM information_schema.columns WHERE table_schema = 'public'
    """,
}


# Tables that came after the dump: with a first row, there is something that must not change.
SINCE = {
    "users_accountchange": "INSERT INTO users_accountchange (account_id, by_id, what, at) "
    "SELECT id, id, 'MADE', date_joined FROM users_user",
}


@pytest.fixture(params=DUMPS, ids=lambda dump: dump.stem)
def old_shop(request: pytest.FixtureRequest, tmp_path: Path, db: None) -> Iterator[str]:
    """The database of a dump: its address."""
    if connection.vendor == "sqlite":
        file = tmp_path / "shop.sqlite3"
        with contextlib.closing(sqlite3.connect(file)) as database:
            database.executescript(request.param.read_text(encoding="utf-8"))
        yield f"sqlite:///{file.as_posix()}"
        return
    server = environment_of_a_child()["DATABASE_URL"]
    url = urlsplit(server)._replace(path=f"/upgrade_{uuid.uuid4().hex}").geturl()
    name = urlsplit(url).path[1:]
    with psycopg.connect(server, autocommit=True) as administrator:
        administrator.execute(f'CREATE DATABASE "{name}"')
        try:
            program("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(request.param), url)
            yield url
        finally:
            administrator.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def manage(url: str, *command: str) -> str:
    return subprocess.check_output(
        [sys.executable, "manage.py", *command],
        cwd=settings.BASE_DIR,
        env=environment_of_a_child(DATABASE_URL=url),
        text=True,
    )


@contextlib.contextmanager
def opened(url: str) -> Iterator[Any]:
    """Speak to a database without Django."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            yield database
    else:
        with psycopg.connect(url, autocommit=True) as database:
            yield database


def catalogue(database: Any) -> set[tuple[str, str, str]]:
    """Return all that a database says of its tables, their columns in whatever order."""
    found = database.execute(CATALOGUE[connection.vendor]).fetchall()
    table = re.compile(r"(CREATE TABLE .*?)\((.*)\)", re.DOTALL)
    return {(kind, name, table.sub(in_order, sql)) for kind, name, sql in found}


def in_order(table: re.Match[str]) -> str:
    parts = re.split(r', (?="|CONSTRAINT)', table[2])
    return f"{table[1]}({', '.join(sorted(parts))})"


def rows(database: Any) -> dict[str, int]:
    """Return how many rows each table has whose rows are never changed."""
    there = {
        name.split()[0] for kind, name, _ in catalogue(database) if kind in ("table", "column")
    }
    models = [model for model in apps.get_models() if issubclass(model, AppendOnly)]
    tables = [model._meta.db_table for model in models if model._meta.db_table in there]
    count = "SELECT count(*) FROM {}"
    return {table: database.execute(count.format(table)).fetchone()[0] for table in tables}


def test_a_shop_of_before_is_upgraded(old_shop: str) -> None:
    with opened(old_shop) as database:
        before = rows(database)
    assert before["payments_journalentry"]

    manage(old_shop, "migrate", "--verbosity", "0")

    with opened(old_shop) as database, opened(environment_of_a_child()["DATABASE_URL"]) as new:
        assert rows(database) == before | dict.fromkeys(SINCE, 0)
        assert catalogue(database) == catalogue(new)
    assert "Everything adds up" in manage(old_shop, "audit")


@pytest.mark.parametrize(
    "table", [model._meta.db_table for model in apps.get_models() if issubclass(model, AppendOnly)]
)
def test_what_was_written_is_never_changed_after_an_upgrade(old_shop: str, table: str) -> None:
    manage(old_shop, "migrate", "--verbosity", "0")

    with opened(old_shop) as database:
        database.execute(SINCE.get(table, "SELECT 1"))
        with pytest.raises(Exception, match="only ever added"):
            database.execute(f"UPDATE {table} SET at = at")
