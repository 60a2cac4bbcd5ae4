"""Where the clients are: the official ones are installed once, into the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = Path(__file__).parents[1] / "clients"

NPM, OFFICIAL, OTHER = "npm alipay-sdk", "alipay-sdk-python", "python-alipay-sdk"


class Missing(Exception):
    """A client cannot be had here; the words say why."""


@dataclass(frozen=True)
class Command:
    """How a client's program is started."""

    arguments: list[str]
    environ: dict[str, str] = field(default_factory=dict)


def command(client: str) -> Command:
    """How that client's program is started; if need be it is installed first."""
    return {NPM: npm_alipay_sdk, OFFICIAL: alipay_sdk_python, OTHER: python_alipay_sdk}[client]()


def npm_alipay_sdk() -> Command:
    """The official client for Node, of package-lock.json."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Missing("Node is not installed (node and npm are not on the PATH)")

    def install(folder: Path) -> None:
        folder.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PROGRAMS / name, folder)
        patience = ("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=4000")
        run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", *patience, at=folder)

    folder = once("npm-alipay-sdk", (PROGRAMS / "package-lock.json").read_bytes(), install)
    modules = str(folder / "node_modules")
    program = str(PROGRAMS / "npm_alipay_sdk.js")
    return Command([node, program], {"NODE_PATH": modules, "TZ": "Asia/Shanghai"})


def alipay_sdk_python() -> Command:
    """The official client for Python, of requirements.txt.

    It needs an environment of its own: its package bears the name of python-alipay-sdk's.
    """
    requirements = PROGRAMS / "requirements.txt"

    def python(folder: Path) -> str:
        windows = sys.platform == "win32"
        return str(folder / ("Scripts/python.exe" if windows else "bin/python"))

    def install(folder: Path) -> None:
        run(sys.executable, "-m", "venv", str(folder), at=folder.parent)
        # It has ten thousand modules, of which ten are used: they are compiled when they are.
        options = ("--quiet", "--no-compile", "--require-hashes", "-r", str(requirements))
        run(python(folder), "-m", "pip", "install", *options, at=folder)

    folder = once("alipay-sdk-python", requirements.read_bytes() + sys.version.encode(), install)
    return in_python(python(folder), "alipay_sdk_python")


def python_alipay_sdk() -> Command:
    """The client that is in this environment anyway."""
    return in_python(sys.executable, "python_alipay_sdk")


def in_python(python: str, client: str) -> Command:
    # Beijing's time, in the form that Windows understands too.
    return Command([python, str(PROGRAMS / "lines.py"), client], {"TZ": "CST-8"})


def once(name: str, version: bytes, install: Callable[[Path], None]) -> Path:
    """Install something unless it is there; half of it never is."""
    folder = cache() / f"{name}-{hashlib.sha256(version).hexdigest()[:12]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as draft:
            install(Path(draft) / "new")
            try:
                (Path(draft) / "new").rename(folder)
            except OSError:
                if not folder.exists():  # else another run was quicker
                    raise
    return folder


def cache() -> Path:
    """The user's own folder for what can be fetched again."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "alipay-sandbox" / "conformance"


def run(*arguments: str, at: Path) -> None:
    try:
        done = subprocess.run(
            arguments,
            cwd=at,
            timeout=900,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as reason:
        raise Missing(str(reason)) from reason
    if done.returncode:
        raise Missing(f"{' '.join(arguments[:4])} failed: {done.stdout[-600:]}")
