"""The cast of every test: alice buys, bob must never see what is hers, tea costs ¥9.90.

Calls to Alipay go to the real sandbox process (`sandbox`); notices are signed by a real key.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from core.tests import environment
from orders import checkout
from orders.models import Order
from payments import alipay
from products.models import Category, Product
from users.models import User

PASSWORD = "longjing-2026"


@pytest.fixture(autouse=True)
def _as_new(settings: Any) -> None:
    """No test sees another's cache, nor needs collected static files."""
    cache.clear()
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
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
    keys: Path


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    keys = folder / "keys"
    keys.mkdir()
    public_key = (environment.KEYS / "app_public_key.pem").read_bytes()
    (keys / "app_public_key.pem").write_bytes(public_key)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "sandbox", "--port", "0", "--print-ready"),
            *("--keys", str(keys), "--data", str(folder / "data")),
            *("--app-id", environment.APP_ID, "--seller-id", environment.SELLER_ID),
        ],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert process.stdout
    try:
        ready = json.loads(process.stdout.readline())
        yield Sandbox(address=ready["address"], gateway=ready["gateway"], keys=keys)
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


@pytest.fixture
def sandbox(sandbox_process: Sandbox, settings: Any) -> Iterator[Sandbox]:
    """Let the shop talk to the local Alipay for this test."""
    settings.ALIPAY_GATEWAY_URL = sandbox_process.gateway
    key = sandbox_process.keys / "alipay_public_key.pem"
    settings.ALIPAY_PUBLIC_KEY_STRING = key.read_text(encoding="utf-8")
    alipay.client.cache_clear()
    yield sandbox_process
    alipay.client.cache_clear()
