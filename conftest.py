"""The cast of every test: alice buys, bob must never see what is hers, tea costs ¥9.90.

Calls to Alipay go to the real sandbox process (`sandbox`); notices are signed by a real key.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.core.management.color import no_style
from django.db import connection, connections
from django.db.models import Model
from django.test import Client

from core import triggers
from core.append_only import AppendOnly
from core.tests import environment
from core.triggers import REPLACE_TRUNCATE, UNDO_REPLACE_TRUNCATE, UNDO_UPDATE_DELETE, UPDATE_DELETE
from orders import checkout
from orders.models import Order
from payments import alipay
from products.models import Category, Product
from users import roles
from users.models import User

PASSWORD = "longjing-2026"


@pytest.fixture(autouse=True)
def _as_new(settings: Any) -> None:
    """No test sees another's cache, nor waits for a password to be hashed slowly."""
    cache.clear()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice", password=PASSWORD)


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob", password=PASSWORD)


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("operator", password=PASSWORD)


def make_staff(role: str, username: str = "") -> User:
    """Somebody of the staff, in one of its roles."""
    if not Group.objects.filter(name=role).exists():
        roles.make()  # a test with real transactions has emptied every table
    user = User.objects.create_user(username or role, password=PASSWORD, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def clerk(db: None) -> User:
    return make_staff("clerk")


@pytest.fixture
def cashier(db: None) -> User:
    return make_staff("cashier")


@pytest.fixture
def owner(db: None) -> User:
    return make_staff("owner")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """SQLite in a file, as in a real shop, so that other threads and processes can meet there.

    Tests that are spread among processes have a database in each.
    """
    default = connections.databases["default"]
    if default["ENGINE"] == "django.db.backends.sqlite3":
        default["TEST"]["NAME"] = str(environment.FOLDER / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def _flush_past_the_triggers() -> None:
    """Let a test with real transactions be cleaned up after: append-only rows are in the way.

    PostgreSQL truncates; SQLite deletes row by row.
    """
    flush = connection.ops.sql_flush

    def sql_flush(style: Any, tables: list[str], **options: Any) -> list[str]:
        guarded = [
            model._meta.db_table for model in apps.get_models() if issubclass(model, AppendOnly)
        ]
        do, undo = (
            (UPDATE_DELETE, UNDO_UPDATE_DELETE)
            if connection.vendor == "sqlite"
            else (REPLACE_TRUNCATE, UNDO_REPLACE_TRUNCATE)
        )
        off = [sql for table in guarded for sql in triggers.sql(undo[connection.vendor], table)]
        on = [sql for table in guarded for sql in triggers.sql(do[connection.vendor], table)]
        return [*off, *flush(style, tables, **options), *on]

    connection.ops.sql_flush = sql_flush  # type: ignore[assignment,method-assign]


def forget(*forgotten: type[Model]) -> None:
    """Empty these models' tables, and those that refer to them, the append-only ones too."""
    tables = [model._meta.db_table for model in forgotten]
    statements = connection.ops.sql_flush(no_style(), tables, allow_cascade=True)
    connection.ops.execute_sql_flush(statements)


def login(user: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def alices(alice: User) -> Client:
    """Alice's browser, or her API client."""
    return login(alice)


@pytest.fixture
def bobs(bob: User) -> Client:
    return login(bob)


@pytest.fixture
def operators(operator: User) -> Client:
    return login(operator)


@pytest.fixture
def tea(db: None) -> Product:
    return make_product()


def make_product(
    name: str = "龙井 tea", price: str = "9.90", stock: int = 10, **fields: Any
) -> Product:
    category, _ = Category.objects.get_or_create(slug="tea", defaults={"name": "茶 Tea"})
    return Product.objects.create(
        **{"category": category, "name": name, "price": Decimal(price), "stock": stock} | fields
    )


def make_order(user: User, product: Product, *, quantity: int = 1) -> Order:
    return checkout.buy_now(user, product_id=product.id, quantity=quantity)


@dataclass(frozen=True)
class Sandbox:
    """The local Alipay, as a process of its own."""

    address: str
    gateway: str

    def control(self, path: str, body: object = None, *, method: str = "") -> Any:
        """Tell it something by its control API."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        address = f"{self.address}/control/{path}"
        request = urllib.request.Request(address, data, headers, method=method or None)
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.loads(response.read() or b"null")

    def trade(self, out_trade_no: str) -> Any:
        return self.control(f"trades/{out_trade_no}")

    def fault(self, kind: str, api: str, **options: Any) -> None:
        """Let the next call of an API go wrong, as ``fault("reset", "refund", when="after")``."""
        fault = {"kind": kind, "method": f"alipay.trade.{api}", "times": 1, "seconds": 2}
        self.control("faults", fault | options, method="PUT")


def start_sandbox(data: Path, *, port: int = 0) -> subprocess.Popen[str]:
    """Start a local Alipay, which says on its first line that it is ready."""
    # It signs with the tests' key of Alipay's part, so that both speak for the same Alipay.
    private_keys = data / "alipay_private_keys"
    private_keys.mkdir(parents=True, exist_ok=True)
    private_key = environment.private_pem(environment.ALIPAY_KEY)
    (private_keys / f"{environment.APP_ID}.pem").write_bytes(private_key)
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "alipay_twin",
            "--port",
            str(port),
            "--print-ready",
            "--keys",
            str(environment.KEYS),
            "--data",
            str(data),
            "--app-id",
            environment.APP_ID,
            "--seller-id",
            environment.SELLER_ID,
        ],
        cwd=Path(__file__).parent / "sandbox",
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    process = start_sandbox(tmp_path_factory.mktemp("sandbox"))
    assert process.stdout
    try:
        ready = json.loads(process.stdout.readline())
        yield Sandbox(address=ready["address"], gateway=ready["gateway"])
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


@pytest.fixture
def sandbox(sandbox_process: Sandbox, settings: Any) -> Iterator[Sandbox]:
    """Let the shop talk to the local Alipay for this test."""
    settings.ALIPAY_GATEWAY_URL = sandbox_process.gateway
    settings.ALIPAY_TIMEOUT = 1
    alipay.client.cache_clear()
    yield sandbox_process
    sandbox_process.control("faults", method="DELETE")
    alipay.client.cache_clear()


@pytest.fixture(scope="session")
def shop(django_db_setup: None) -> Iterator[str]:
    """The shop as it is deployed, two worker processes on the tests' database: its address."""
    port = free_port()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "granian",
            "--interface",
            "rsgi",
            "core.rsgi:shop",
            "--port",
            str(port),
            "--workers",
            "2",
            "--workers-kill-timeout",
            "5",
        ],
        cwd=Path(__file__).parent,
        env=environment_of_a_child(),
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/healthz", process)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def environment_of_a_child(**changes: str) -> dict[str, str]:
    """The environment of a process that shares the tests' database."""
    database = connections.databases["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        url = f"sqlite:///{database['NAME']}"
    else:
        configured = urlsplit(os.environ["DATABASE_URL"])
        url = configured._replace(path=f"/{database['NAME']}").geturl()
    return os.environ | {"DATABASE_URL": url} | changes


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(url: str, process: subprocess.Popen[Any]) -> None:
    """Wait until a process answers; give up when it has ended, or after half a minute."""
    for _ in range(300):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer")
