"""`manage.py check` says it when letters would lack their links, or have wrong ones."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

# Whoever reads their letters knows where the shop is.
FOR_TRYING = ("console", "locmem", "dummy", "filebased")


@checks.register("letters")
def check_letters(**kwargs: Any) -> list[CheckMessage]:
    return [*shop_url()]


def shop_url() -> Iterator[CheckMessage]:
    address = urlsplit(settings.SHOP_URL)
    kind = settings.EMAIL_BACKEND.split(".")[-2]
    if not settings.SHOP_URL:
        if kind not in FOR_TRYING:
            yield checks.Warning(
                "SHOP_URL is not set: letters to buyers have no links.",
                hint="Put the address at which buyers reach the shop into the environment or into "
                ".env, as https://shop.example.com",
                id="letters.W001",
            )
    elif address.scheme not in ("http", "https") or not address.hostname or address.query:
        yield checks.Error(
            f"SHOP_URL ({settings.SHOP_URL}) is no address of a shop.",
            hint="Write it as https://shop.example.com",
            id="letters.E001",
        )
