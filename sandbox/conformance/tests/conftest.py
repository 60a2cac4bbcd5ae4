"""The cast: a sandbox process, each client in turn, a buyer, and a server that hears notices."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from conformance.tests import installed
from conformance.tests.client import Account, Client, Program
from tests.outside import Buyer, Process, Shop, new_key

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _as_new() -> None:
    """What a shop around this folder may do for its own tests is not needed here."""


class Programs:
    """The clients' programs, each started when it is first wanted."""

    def __init__(self) -> None:
        self._started: dict[str, Program] = {}
        self._missing: dict[str, str] = {}

    def of(self, client: str) -> Program:
        if client not in self._started and client not in self._missing:
            try:
                self._started[client] = Program(client, installed.command(client))
            except installed.Missing as reason:
                self._missing[client] = f"{client} is not here: {reason}"
        if client in self._started:
            return self._started[client]
        if os.environ.get("CI"):
            pytest.fail(self._missing[client])
        pytest.skip(self._missing[client])

    def stop(self) -> None:
        for program in self._started.values():
            program.stop()


@pytest.fixture(scope="session")
def programs() -> Iterator[Programs]:
    programs = Programs()
    yield programs
    programs.stop()


@pytest.fixture(params=[installed.NPM, installed.OFFICIAL, installed.OTHER])
def program(request: pytest.FixtureRequest, programs: Programs) -> Program:
    """Each client in turn, unless a test says of which it speaks."""
    return programs.of(request.param)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(tmp_path_factory.mktemp("conformance"))
    yield process
    process.stop()


@pytest.fixture(scope="session")
def account(running: Process) -> Account:
    folder = Path(running.ready["keys"])
    key = load_pem_private_key((folder / "app_private_key.pem").read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return Account(
        gateway=running.gateway,
        app_id=running.ready["app_id"],
        private_key=pkcs1(key),
        alipay_public_key=(folder / "alipay_public_key.pem").read_text(),
    )


def pkcs1(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ).decode()


@pytest.fixture(scope="session")
def strangers_key() -> str:
    """A private key that the sandbox has never heard of."""
    return pkcs1(new_key())


@pytest.fixture
def sandbox(running: Process) -> Process:
    running.control("POST", "/reset")
    return running


@pytest.fixture
def client(program: Program, sandbox: Process, account: Account) -> Client:
    return Client(program, account)


@pytest.fixture
def buyer(sandbox: Process) -> Buyer:
    return Buyer(sandbox.address)


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
def number() -> str:
    """An out_trade_no that no test has used."""
    return f"C{next(_numbers):06d}"
