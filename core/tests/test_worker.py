"""Where the worker's queue is, by HUEY_URL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
import django
django.setup()
from huey.contrib.djhuey import HUEY
print(type(HUEY).__name__)
"""


@pytest.mark.parametrize(
    ("url", "huey"),
    # Nothing listens there: the queue is reached when it is used, not when the shop starts.
    [("redis://127.0.0.1:9/0", "RedisHuey"), ("", "SqliteHuey")],
)
def test_the_queue_is_where_huey_url_says(url: str, huey: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"HUEY_URL": url, "DJANGO_SETTINGS_MODULE": "core.settings"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (told.stdout.strip(), told.returncode) == (huey, 0), told.stderr
