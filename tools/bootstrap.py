"""The .venv beside run.py: the locked libraries, and the compiled translations."""

import hashlib
import importlib.util
import os
import sys
from pathlib import Path

from tools.console import Trouble, say
from tools.environment import tools_environment
from tools.paths import PYTHON, ROOT, VENV
from tools.processes import captured, last_line, manage

# What a shop and its demo run on, and what tests and checks need beside it.
RUNTIME = ROOT / "requirements.txt"
DEVELOPMENT = ROOT / "requirements-dev.txt"


def bootstrap(*locks: Path) -> None:
    """Make .venv, these locks' libraries and the compiled translations what they should be."""
    # Written last: a venv without that of the runtime is half-made, by an interrupted run.
    if not stamp_of(RUNTIME).is_file() or not Path(PYTHON).exists():
        make_venv()
    for lock in locks:
        stamp = stamp_of(lock)
        wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
        if not stamp.is_file() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            install_libraries(lock)
            stamp.write_text(wanted)

    catalogues = [*ROOT.glob("locale/*/*/*.po"), *ROOT.glob("sandbox/*/locale/*/*/*.po")]
    if any(is_older(po.with_suffix(".mo"), po) for po in catalogues):
        manage("Compiling the translations", "translations", "compile", env=tools_environment())


def stamp_of(lock: Path) -> Path:
    """Return the file that holds the hash of a lock whose libraries are installed."""
    return VENV / f"{lock.stem}.sha256"


def make_venv() -> None:
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise Trouble(
                "This Python can not make a virtual environment, as it has no module "
                f"{module!r}: install it (Debian and Ubuntu: apt install python3-venv)."
            )
    say("Making .venv ...")
    # The Python behind a venv, should this one be the very .venv that is to be made again.
    base = getattr(sys, "_base_executable", None) or sys.executable
    code, output = captured([base, "-m", "venv", "--clear", str(VENV)], env=dict(os.environ))
    if code:
        raise Trouble(f"Could not make {VENV}: {last_line(output)}")


def install_libraries(lock: Path) -> None:
    say(f"Installing the libraries of {lock.name} into .venv (a minute, once) ...")
    pip = [PYTHON, "-m", "pip", "install", "--require-hashes", "--disable-pip-version-check"]
    code, output = captured(
        [*pip, "--no-input", "--retries", "2", "-r", str(lock)],
        env={**os.environ, "PIP_USER": "0", "PYTHONUTF8": "1"},
    )
    if code:
        log = VENV / "install.log"
        log.write_text(output, encoding="utf-8")
        raise Trouble(
            "Could not install the libraries (is the network reachable?); pip says: "
            f"{last_line(output, 'ERROR:')} Everything it said is in {log}"
        )


def is_older(file: Path, source: Path) -> bool:
    return not file.exists() or file.stat().st_mtime < source.stat().st_mtime
