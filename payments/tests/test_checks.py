"""A shop that could not be paid, or not safely, refuses to start and says what to do."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from core.tests import environment
from payments import alipay
from payments.checks import check_alipay


def found() -> list[str | None]:
    return [error.id for error in check_alipay()]


def bare(pem: str) -> str:
    """Return a key as Alipay's console shows it: one line of base64."""
    return "".join(line for line in pem.splitlines() if not line.startswith("-----"))


def test_the_tests_own_settings_are_right() -> None:
    assert found() == []


@pytest.mark.parametrize("name", ["ALIPAY_APP_ID", "ALIPAY_SELLER_ID"])
def test_check_misses_a_setting(settings: Any, name: str) -> None:
    setattr(settings, name, "")

    assert found() == ["payments.E001"]


@pytest.mark.parametrize(
    ("gateway", "debug", "ids"),
    [
        ("http://127.0.0.1:8001/gateway.do", True, []),
        ("http://localhost:8001/gateway.do", True, []),
        ("http://[::1]:8001/gateway.do", True, []),
        ("http://127.0.0.1:8001/gateway.do", False, ["payments.E002"]),
        ("http://192.168.1.2:8001/gateway.do", True, ["payments.E002"]),
        ("http://127.0.0.1.evil.example/gateway.do", True, ["payments.E002"]),
        ("http://openapi.alipay.com/gateway.do", True, ["payments.E002"]),
        ("ftp://127.0.0.1/gateway.do", True, ["payments.E002"]),
        ("gateway.do", True, ["payments.E002"]),
        ("https://openapi.alipay.com/gateway.do", False, []),
    ],
)
def test_check_wants_https(settings: Any, gateway: str, debug: bool, ids: list[str]) -> None:
    settings.ALIPAY_GATEWAY_URL, settings.ALIPAY_DEBUG = gateway, debug

    assert found() == ids


@pytest.mark.parametrize("folder", [".", "keys", "core/../keys"])
def test_check_refuses_keys_in_the_source_tree(settings: Any, folder: str) -> None:
    settings.ALIPAY_KEYS_DIR = settings.BASE_DIR / folder

    assert found() == ["payments.E003"]


@pytest.mark.parametrize("name", ["ALIPAY_APP_PRIVATE_KEY_STRING", "ALIPAY_PUBLIC_KEY_STRING"])
@pytest.mark.parametrize(
    ("key", "error_id"),
    [
        ("", "payments.E004"),
        ("no key", "payments.E005"),
        ("-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----", "payments.E005"),
        ("QUJD", "payments.E005"),
    ],
)
def test_check_names_a_bad_key(settings: Any, name: str, key: str, error_id: str) -> None:
    setattr(settings, name, key)

    (error,) = check_alipay()

    assert error.id == error_id
    assert name in error.msg


@pytest.mark.parametrize(
    ("name", "value", "error_id"),
    [
        ("MAX_UNPAID_ORDERS", 0, "payments.E008"),
        ("REFUND_APPROVAL_AMOUNT", Decimal("-1"), "payments.E009"),
        ("REFUND_APPROVAL_AMOUNT", Decimal("NaN"), "payments.E009"),
        ("REFUND_APPROVAL_AMOUNT", Decimal("100000000.01"), "payments.E009"),
    ],
)
def test_check_refuses_a_limit_that_is_none(
    settings: Any, name: str, value: Any, error_id: str
) -> None:
    setattr(settings, name, value)

    assert found() == [error_id]


def test_check_refuses_a_short_key(settings: Any) -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    settings.ALIPAY_PUBLIC_KEY_STRING = environment.public_pem(short).decode()

    assert found() == ["payments.E005"]


def test_check_refuses_keys_that_changed_places(settings: Any) -> None:
    private, public = settings.ALIPAY_APP_PRIVATE_KEY_STRING, settings.ALIPAY_PUBLIC_KEY_STRING
    settings.ALIPAY_APP_PRIVATE_KEY_STRING = public
    settings.ALIPAY_PUBLIC_KEY_STRING = private

    assert found() == ["payments.E005", "payments.E005"]


def test_check_knows_the_apps_own_public_key(settings: Any) -> None:
    settings.ALIPAY_PUBLIC_KEY_STRING = environment.public_pem(environment.APP_KEY).decode()

    assert found() == ["payments.E006"]


def test_bare_keys_are_keys(settings: Any) -> None:
    settings.ALIPAY_APP_PRIVATE_KEY_STRING = bare(settings.ALIPAY_APP_PRIVATE_KEY_STRING)
    settings.ALIPAY_PUBLIC_KEY_STRING = bare(settings.ALIPAY_PUBLIC_KEY_STRING) + "\n"
    alipay.client.cache_clear()

    assert found() == []
    signed = alipay.client().sign_data({"a": "1"})
    alipay.client.cache_clear()
    assert signed.startswith("a=1&sign=")


def start(tmp_path: Path, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Load the shop as the web server does, in a process of its own."""
    environ = {**os.environ, **{name: value for name, value in changes.items() if value}}
    for name, value in changes.items():
        if value is None:
            del environ[name]
    return subprocess.run(
        [sys.executable, "-c", "import core.wsgi; print('started')"],
        env={**environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_the_shop_starts(tmp_path: Path) -> None:
    assert start(tmp_path).stdout == "started\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SECRET_KEY": None}, "SECRET_KEY is not set"),
        ({"ALIPAY_KEYS_DIR": "core"}, "inside the source tree"),
        ({"ALIPAY_KEYS_DIR": "nowhere-at-all"}, "app_private_key.pem cannot be read"),
        ({"ALIPAY_PUBLIC_KEY_STRING": "garbage"}, "is not an RSA public key"),
        ({"ALIPAY_GATEWAY_URL": "http://alipay.example/"}, "ALIPAY_GATEWAY_URL is not https"),
        ({"ALIPAY_DEBUG": "false"}, "ALIPAY_GATEWAY_URL is not https"),
        ({"ALIPAY_APP_ID": None}, "ALIPAY_APP_ID is not set"),
        ({"ORDER_PAYMENT_MINUTES": "0"}, "ORDER_PAYMENT_MINUTES"),
    ],
)
def test_the_shop_refuses_to_start(
    tmp_path: Path, changes: dict[str, str | None], words: str
) -> None:
    refusal = start(tmp_path, **changes)

    assert refusal.returncode != 0
    assert "started" not in refusal.stdout
    assert words in refusal.stderr
    assert "PRIVATE KEY-----" not in refusal.stderr
