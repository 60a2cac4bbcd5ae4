"""The .venv beside run.py: the locked libraries, and the compiled translations."""

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from tools.console import Trouble, progress, say
from tools.environment import tools_environment
from tools.paths import PYTHON, ROOT, VENV
from tools.processes import captured, ended_when_interrupted, last_line, manage

# What a shop and its demo run on, and what tests and checks need beside it.
RUNTIME = ROOT / "requirements.txt"
DEVELOPMENT = ROOT / "requirements-dev.txt"

# How many pips share the work: each fetches one library after the other.
PIPS = 2
# What a pip says when it has found a library.
FOUND = re.compile(r"^(?:Collecting|Processing|Requirement already satisfied)", re.MULTILINE)


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
                "This Python cannot make a virtual environment, as it has no module "
                f"{module!r}: install it (Debian and Ubuntu: apt install python3-venv)."
            )
    say("Making .venv ...")
    # The Python behind a venv, should this one be the very .venv that is to be made again.
    base = getattr(sys, "_base_executable", None) or sys.executable
    code, output = captured([base, "-m", "venv", "--clear", str(VENV)], env=dict(os.environ))
    if code:
        raise Trouble(f"Could not make {VENV}: {last_line(output)}")


def install_libraries(lock: Path) -> None:
    """Install a lock's libraries, by several pips: it is complete, so no part needs another."""
    # A line that is not indented begins the next one.
    libraries = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").rstrip())
    what = f"Installing {len(libraries)} libraries of {lock.name} into .venv"
    say(f"{what} (a minute, once) ...")
    logs = [VENV / f"install-{number}.log" for number in range(PIPS)]
    pips = [
        start_pip(libraries[number::PIPS], part=VENV / f"part-{number}.txt", log=log)
        for number, log in enumerate(logs)
    ]
    with ended_when_interrupted(*pips):
        while any(pip.poll() is None for pip in pips):
            found = sum(len(FOUND.findall(read(log))) for log in logs)
            progress(f"{what}: {found} found ...")
            time.sleep(0.2)
    progress("")
    for pip, log in zip(pips, logs, strict=True):
        if pip.returncode:
            raise Trouble(
                "Could not install the libraries (is the network reachable?); pip says: "
                f"{last_line(read(log), 'ERROR:')} Everything it said is in {log}"
            )


def start_pip(libraries: list[str], *, part: Path, log: Path) -> subprocess.Popen[bytes]:
    part.write_text("\n".join(libraries) + "\n", encoding="utf-8")
    options = ["--require-hashes", "--no-deps", "--no-input", "--disable-pip-version-check"]
    with log.open("wb") as output:
        return subprocess.Popen(
            [PYTHON, "-m", "pip", "install", *options, "--retries", "2", "-r", str(part)],
            env={**os.environ, "PIP_USER": "0", "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def read(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def is_older(file: Path, source: Path) -> bool:
    return not file.exists() or file.stat().st_mtime < source.stat().st_mtime
