"""Who may know whom, for the ways that import-linter cannot see: names in strings."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

TWIN = "alipay_twin"
SHOP = {"core", "users", "products", "orders", "payments", "books", "letters", "desk", "alipay"}

# Starts a project whole, its addresses included, and prints what has been imported.
START = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = sys.argv[1]
import django
django.setup()
from django.urls import get_resolver
get_resolver().url_patterns
print(*{name.partition(".")[0] for name in sys.modules})
"""


@pytest.mark.parametrize(
    ("project", "own", "foreign"),
    [("core.settings", SHOP, {TWIN}), ("alipay_twin.settings", {TWIN}, SHOP)],
)
def test_shop_and_sandbox_start_without_each_other(
    project: str, own: set[str], foreign: set[str]
) -> None:
    command = [sys.executable, "-c", START, project]
    env = os.environ | {"PYTHONPATH": str(settings.BASE_DIR / "sandbox")}
    printed = subprocess.check_output(command, cwd=settings.BASE_DIR, env=env, text=True)

    assert set(printed.split()) & (own | foreign) == own
