"""A database that this version cannot go on with is kept under another name, and a new one begins.

Until the package was called alipay_twin, its tables bore the name of the app ``sandbox``.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

OLD_TABLE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sandbox_trade'"


def set_aside_old_database(database: Path) -> Path | None:
    """Rename the database if an older version made it; return its new name, None if it stays."""
    if not database.exists():
        return None
    with closing(sqlite3.connect(database)) as connection:
        if connection.execute(OLD_TABLE).fetchone() is None:
            return None
        # What a killed process has left beside the file goes into it, so that one file holds all.
        connection.execute("PRAGMA journal_mode = DELETE")
    now = datetime.now().astimezone()
    name = f"{database.stem}-until-{now:%Y%m%d-%H%M%S}{database.suffix}"
    return database.rename(database.with_name(name))
