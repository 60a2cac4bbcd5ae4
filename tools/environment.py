"""The environment of what we start: ours, without the settings of a real shop."""

import os
import re
import secrets
from pathlib import Path
from urllib.parse import quote

from tools.paths import ROOT


def environment(**settings: str) -> dict[str, str]:
    """Return our own environment with these settings and no others of the shop's.

    .env.example names what the shop reads. A setting of the caller's real shop has no business
    in a demo or a test.
    """
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    ours = set(re.findall(r"^#?\s*([A-Z_]+)=", example, re.MULTILINE))
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name.removesuffix("_FILE") not in ours
        and not name.startswith(("ALIPAY_", "DJANGO_", "GRANIAN_", "SANDBOX_"))
    }
    local = "127.0.0.1,localhost"
    utf8 = {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
    return {**inherited, **utf8, "ENV_FILE": "", "NO_PROXY": local, "no_proxy": local, **settings}


def tools_environment(**settings: str) -> dict[str, str]:
    """Return what tests and checks run in, where nothing is worth a secret."""
    # The processes among which tests are spread must agree on their order, sets included.
    hosts = {"ALLOWED_HOSTS": "127.0.0.1,localhost", "HTTPS_ONLY": "false", "PYTHONHASHSEED": "0"}
    return environment(**{"SECRET_KEY": secrets.token_urlsafe(50), **hosts, **settings})


def sqlite_url(file: Path) -> str:
    return "sqlite:///" + quote(file.as_posix(), safe="/:")
