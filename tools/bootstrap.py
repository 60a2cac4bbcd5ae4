"""The .venv beside run.py: the locked libraries, and the compiled translations."""

import hashlib
import importlib.util
import os
import sys
from pathlib import Path

from tools.console import Trouble, say
from tools.environment import tools_environment
from tools.paths import LOCK, PYTHON, ROOT, VENV
from tools.processes import captured, last_line, manage


def bootstrap() -> None:
    """Make .venv, the libraries and the compiled translations what they should be."""
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    # Written last: a venv without it is half-made, by an interrupted run.
    stamp = VENV / "guitai-lock"
    made = stamp.is_file() and Path(PYTHON).exists()
    if not made:
        make_venv()
    if not made or stamp.read_text() != wanted:
        stamp.unlink(missing_ok=True)
        install_libraries()
        stamp.write_text(wanted)

    catalogues = [*ROOT.glob("locale/*/*/*.po"), *ROOT.glob("sandbox/*/locale/*/*/*.po")]
    if any(is_older(po.with_suffix(".mo"), po) for po in catalogues):
        manage("Compiling the translations", "translations", "compile", env=tools_environment())


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


def install_libraries() -> None:
    say("Installing the libraries into .venv (a minute or two, once) ...")
    pip = [PYTHON, "-m", "pip", "install", "--require-hashes", "--disable-pip-version-check"]
    code, output = captured(
        [*pip, "--no-input", "--retries", "2", "-r", str(LOCK)],
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
