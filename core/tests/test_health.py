"""Whether the shop says truly that it is alive and ready."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from core.models import Tick


def test_healthz_asks_nobody(client: Client) -> None:
    response = client.get("/healthz")

    assert (response.status_code, response.content) == (200, b"ok")


def test_readyz_tells_the_workers_tick(client: Client, db: None) -> None:
    without = client.get("/readyz").json()
    Tick.now()
    with_tick = client.get("/readyz").json()
    Tick.objects.update(at=timezone.now() - timedelta(minutes=10))
    late = client.get("/readyz").json()

    assert without == {
        "database": "ok",
        "migrations": "ok",
        "worker": {"status": "late", "last_tick_at": None},
    }
    assert (with_tick["worker"]["status"], late["worker"]["status"]) == ("ok", "late")


def test_readyz_misses_a_migration(client: Client, db: None) -> None:
    ((app, newest),) = MigrationLoader(connection).graph.leaf_nodes("payments")
    MigrationRecorder(connection).record_unapplied(app, newest)

    response = client.get("/readyz")

    assert (response.status_code, response.json()["migrations"]) == (503, "missing")


def test_readyz_misses_the_database(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*args: object) -> None:
        raise DatabaseError

    monkeypatch.setattr("core.health.MigrationExecutor", unreachable)

    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (503, {"database": "unreachable"})
