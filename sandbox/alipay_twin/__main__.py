"""``python -m alipay_twin``: a local Alipay, in one process."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sqlite3
import sys
from pathlib import Path
from types import FrameType

import django

from .server.catalogues import compile_catalogues


class Trouble(Exception):
    """Something that the one who starts it must mend; the words say what."""


def main(arguments: list[str] | None = None) -> int:
    """Make what is missing, then serve until told to stop."""
    given = read_options(arguments)
    data = (given.data or default_data()).expanduser().resolve()
    keys = (given.keys or data / "keys").expanduser().resolve()
    signal.signal(signal.SIGTERM, _stop)
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = take_lock(data)
        set_environment(given, data)
        compile_catalogues()
        django.setup()
        from .server import serving  # noqa: PLC0415  models can be imported only now

        try:
            serving.prepare(given, keys)
            serving.serve(given, keys=keys, data=data)
        except serving.CannotServe as reason:
            raise Trouble(str(reason)) from reason
        finally:
            lock.close()
    except (OSError, Trouble) as trouble:
        sys.stderr.write(f"sandbox: {trouble}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def read_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m alipay_twin",
        description="A local Alipay, for developing and testing against.",
    )
    add = parser.add_argument
    add("--port", type=_port, default=8001, help="0: any that is free (default: 8001)")
    add("--bind", default="127.0.0.1", metavar="IP", help="where to listen (default: 127.0.0.1)")
    add("--keys", type=Path, metavar="DIR", help="app_public_key.pem in, alipay_public_key.pem out")
    add("--data", type=Path, metavar="DIR", help="its own state and its private keys")
    add("--app-id", type=_digits, default="9021000000000001", metavar="ID")
    add("--seller-id", type=_digits, default="2088000000000001", metavar="ID")
    add("--time-scale", type=_scale, metavar="N", help="how fast its clock goes; 0: frozen")
    add("--ladder", choices=["A", "B"], default="A", help="when notices are repeated")
    add("--host-name", action="append", default=[], metavar="NAME", help="one more name of its own")
    add("--print-ready", action="store_true", help="say when it is ready in one line of JSON")
    add("--verbose", action="store_true", help="log each call of the gateway")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return int(text)


def _digits(text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= 32):
        raise argparse.ArgumentTypeError(f"{text} is not a number of at most 32 digits")
    return text


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = -1
    if not 0 <= scale <= 1_000_000:
        raise argparse.ArgumentTypeError("a number between 0 and 1000000")
    return scale


def default_data() -> Path:
    """The user's own folder for such things."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return base / "alipay-sandbox"


def take_lock(data: Path) -> sqlite3.Connection:
    """Make sure that nobody else serves this data: two clocks over one state would not agree.

    The system lets go of the lock when the process dies, however it dies.
    """
    lock = sqlite3.connect(data / "lock.sqlite3", timeout=1, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        raise Trouble(f"another sandbox is using {data}") from None
    return lock


def set_environment(given: argparse.Namespace, data: Path) -> None:
    """Tell the settings what this start differs in."""
    secret = data / "secret_key"
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_urlsafe(48), encoding="ascii")
    os.environ.update(
        DJANGO_SETTINGS_MODULE="alipay_twin.settings",
        SANDBOX_DATA=str(data),
        SANDBOX_SECRET_KEY=secret.read_text(encoding="ascii"),
        SANDBOX_HOST_NAMES=" ".join([given.bind, *given.host_name]),
        SANDBOX_LOG_LEVEL="INFO" if given.verbose else "WARNING",
    )


def _stop(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
