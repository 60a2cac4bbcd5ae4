"""The cast: a sandbox process, a merchant with its shop, a buyer; an empty one for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.outside import Buyer, Merchant, Process, Shop, read_public

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _as_new() -> None:
    """What a shop around this folder may do for its own tests is not needed here."""


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(tmp_path_factory.mktemp("sandbox"))
    yield process
    process.stop()


@pytest.fixture(scope="session")
def keys(running: Process) -> tuple[rsa.RSAPrivateKey, rsa.RSAPublicKey]:
    return read_keys(Path(running.ready["keys"]))


def read_keys(folder: Path) -> tuple[rsa.RSAPrivateKey, rsa.RSAPublicKey]:
    """The merchant's private key and Alipay's public one."""
    private = serialization.load_pem_private_key(
        (folder / "app_private_key.pem").read_bytes(), password=None
    )
    assert isinstance(private, rsa.RSAPrivateKey)
    return private, read_public((folder / "alipay_public_key.pem").read_text())


@pytest.fixture
def sandbox(running: Process) -> Process:
    running.control("POST", "/reset")
    return running


@pytest.fixture(scope="session")
def listening() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


@pytest.fixture
def shop(listening: Shop, sandbox: Process) -> Shop:
    listening.forget()
    return listening


@pytest.fixture
def merchant(
    sandbox: Process, shop: Shop, keys: tuple[rsa.RSAPrivateKey, rsa.RSAPublicKey]
) -> Iterator[Merchant]:
    merchant = Merchant(sandbox, *keys, sandbox.ready["app_id"], shop)
    yield merchant
    merchant.hang_up()


@pytest.fixture
def buyer(sandbox: Process) -> Buyer:
    return Buyer(sandbox.address)


@pytest.fixture
def number() -> str:
    """An out_trade_no that no test has used."""
    return f"T{next(_numbers):06d}"
