"""The folder of the demo: keys, database, pictures and logs; outside the repository."""

import contextlib
import os
import secrets
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tools.console import Trouble, say
from tools.paths import ROOT, SHOP, WINDOWS


def default_data_folder() -> Path:
    if WINDOWS:
        local = os.environ.get("LOCALAPPDATA")
        return Path(local or Path.home() / "AppData" / "Local") / "guitai"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "guitai"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "guitai"


def check_folder(data: Path) -> None:
    if data.is_relative_to(ROOT):
        raise Trouble(f"The data folder {data} is inside the repository: choose another by --data.")
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=data).close()
    except OSError as error:
        raise Trouble(
            f"Cannot write to the data folder {data} ({error.strerror}): choose another by --data."
        ) from None


def set_aside_if_older(data: Path) -> None:
    """Give a folder another name whose database is of another version, and make a new one."""
    file = data / "shop.sqlite3"
    with lock_of(data):  # nobody uses it
        if not file.is_file() or all(is_known(*each) for each in migrations_of(file)):
            return
    aside = data.with_name(f"{data.name}-until-{time.strftime('%Y-%m-%d-%H%M%S')}")
    try:
        data.rename(aside)
    except OSError as error:
        raise Trouble(
            f"The data folder {data} is of another version of the shop, and cannot be set aside "
            f"({error.strerror}): choose another by --data."
        ) from None
    say(f"The data folder was of another version of the shop: it is now {aside}")
    check_folder(data)


def migrations_of(database: Path) -> list[tuple[str, str]]:
    """Return the migrations that a database has seen, as app and name."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        try:
            return connection.execute("SELECT app, name FROM django_migrations").fetchall()
        except sqlite3.DatabaseError:  # half made, by an interrupted run
            return []


def is_known(app: str, migration: str) -> bool:
    """Whether this version has a migration; those of Django and of libraries are theirs."""
    return app not in SHOP or (ROOT / app / "migrations" / f"{migration}.py").is_file()


@contextlib.contextmanager
def lock_of(data: Path) -> Iterator[None]:
    """Keep a second demo out of a data folder; SQLite's lock goes when its process does."""
    connection = sqlite3.connect(data / "lock.sqlite3", timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        raise Trouble(
            f"Another demo uses the data folder {data}: end it, or choose another by --data."
        ) from None
    try:
        yield
    finally:
        connection.close()


def secret_key(file: Path) -> str:
    """Return the key of this data folder, making it at the first start."""
    if not file.exists() or not file.read_text():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(50))
    return file.read_text()
