"""`manage.py check` says it when the shop could not be paid, and the shop does not start."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from Cryptodome.PublicKey import RSA
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from core.money import LARGEST
from payments.alipay import readable_key

# The shortest key that RSA2 allows.
SHORTEST_KEY = 2048


@register("alipay")
def check_alipay(**kwargs: Any) -> list[CheckMessage]:
    return [*missing_settings(), *payment_minutes(), *limits(), *gateway(), *keys_folder(), *keys()]


def missing_settings() -> Iterator[CheckMessage]:
    for name, meaning in (
        ("ALIPAY_APP_ID", "the app's number in Alipay's console"),
        ("ALIPAY_SELLER_ID", "the merchant's number (PID, 2088…)"),
    ):
        if not getattr(settings, name):
            yield Error(
                f"{name} is not set.",
                hint=f"Put {meaning} into the environment or into .env.",
                id="payments.E001",
            )


def payment_minutes() -> Iterator[CheckMessage]:
    longest = 15 * 24 * 60
    if not 1 <= settings.ORDER_PAYMENT_MINUTES <= longest:
        yield Error(
            f"ORDER_PAYMENT_MINUTES is not between 1 and {longest}.",
            hint="Alipay keeps a trade open for a minute at least and for 15 days at most.",
            id="payments.E007",
        )


def limits() -> Iterator[CheckMessage]:
    if settings.MAX_UNPAID_ORDERS < 1:
        yield Error(
            "MAX_UNPAID_ORDERS is not 1 or more.",
            hint="With less, nobody could buy anything.",
            id="payments.E008",
        )
    amount = settings.REFUND_APPROVAL_AMOUNT
    if not (amount.is_finite() and 0 <= amount <= LARGEST):
        yield Error(
            f"REFUND_APPROVAL_AMOUNT is not between 0 and {LARGEST} yuan.",
            hint="0 lets every refund wait for a second operator.",
            id="payments.E009",
        )


def gateway() -> Iterator[CheckMessage]:
    address = urlsplit(settings.ALIPAY_GATEWAY_URL)
    is_local_sandbox = (
        address.scheme == "http" and is_loopback(address.hostname or "") and settings.ALIPAY_DEBUG
    )
    if address.scheme != "https" and not is_local_sandbox:
        yield Error(
            "ALIPAY_GATEWAY_URL is not https.",
            hint="Plain http is for the local sandbox only: a loopback address, and "
            "ALIPAY_DEBUG=true. Leave ALIPAY_GATEWAY_URL unset to use Alipay's own gateway.",
            id="payments.E002",
        )


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def keys_folder() -> Iterator[CheckMessage]:
    folder = Path(settings.ALIPAY_KEYS_DIR).resolve()
    if folder.is_relative_to(settings.BASE_DIR):
        yield Error(
            f"ALIPAY_KEYS_DIR ({folder}) is inside the source tree.",
            hint="Move the keys to a folder of their own, where nobody can commit them.",
            id="payments.E003",
        )


def keys() -> Iterator[CheckMessage]:
    private = yield from key(
        "ALIPAY_APP_PRIVATE_KEY_STRING", "app_private_key.pem", must_be_private=True
    )
    public = yield from key(
        "ALIPAY_PUBLIC_KEY_STRING", "alipay_public_key.pem", must_be_private=False
    )
    if private and public and private.public_key() == public:
        yield Error(
            "The app's own public key stands where Alipay's public key belongs.",
            hint="In Alipay's console, copy 支付宝公钥 (not 应用公钥) into "
            f"{settings.ALIPAY_KEYS_DIR / 'alipay_public_key.pem'}.",
            id="payments.E006",
        )


def key(name: str, file_name: str, *, must_be_private: bool) -> Any:
    """Yield what is wrong with a key; return it when it is right."""
    where = f"{name} is not set, and {settings.ALIPAY_KEYS_DIR / file_name} cannot be read."
    text = getattr(settings, name)
    if not text:
        yield Error(where, hint="Set one of the two.", id="payments.E004")
        return None
    kind = "private" if must_be_private else "public"
    try:
        found = RSA.import_key(readable_key(text))
    except (ValueError, IndexError, TypeError):
        found = None
    if not found or found.has_private() != must_be_private or found.size_in_bits() < SHORTEST_KEY:
        yield Error(
            f"{name} ({file_name}) is not an RSA {kind} key of {SHORTEST_KEY} bits or more.",
            hint="Give it as PEM, or as the one line of base64 that Alipay's console shows.",
            id="payments.E005",
        )
        return None
    return found
