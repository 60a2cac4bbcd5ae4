"""``python -m sandbox``: a local Alipay, in one process."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sqlite3
import sys
from pathlib import Path


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="A local Alipay, for developing and testing against."
    )
    add = parser.add_argument
    add("--port", type=_port, default=8001, help="0: any that is free (default: 8001)")
    add(
        "--bind",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where to listen (default: 127.0.0.1)",
    )
    add("--keys", type=Path, metavar="DIR", help="app_public_key.pem in, alipay_public_key.pem out")
    add("--data", type=Path, metavar="DIR", help="its own state and its private keys")
    add("--app-id", default="9021000000000001", metavar="ID")
    add("--seller-id", default="2088000000000001", metavar="ID")
    add("--time-scale", type=_scale, metavar="N", help="how fast its clock goes; 0: frozen")
    add("--ladder", choices=["A", "B"], default="A", help="when notices are repeated")
    add(
        "--host-name", action="append", default=[], metavar="NAME", help="a further name of its own"
    )
    add("--print-ready", action="store_true", help="say when it is ready in one line of JSON")
    add("--verbose", action="store_true", help="log each call of the gateway")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return int(text)


def _scale(text: str) -> float:
    scale = float(text)
    if not 0 <= scale <= 1_000_000:
        raise argparse.ArgumentTypeError("between 0 and 1000000")
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


def main(arguments: list[str] | None = None) -> int:
    """Make what is missing, then serve until told to stop."""
    given = options(arguments)
    data = (given.data or default_data()).expanduser().resolve()
    keys = (given.keys or data / "keys").expanduser().resolve()
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = take_lock(data)
        prepare(given, data, keys)
        server = listen(given)
    except (OSError, Trouble) as trouble:
        print(f"sandbox: {trouble}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    try:
        serve(given, server, data, keys)
    except KeyboardInterrupt:
        pass
    finally:
        lock.close()
    return 0


class Trouble(Exception):
    """Something the one who starts it must mend."""


def take_lock(data: Path) -> sqlite3.Connection:
    """Make sure that nobody else serves this data: two clocks in one world would not agree.

    The system lets go of the lock when the process dies, however it dies.
    """
    lock = sqlite3.connect(data / "lock.sqlite3", timeout=1, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        raise Trouble(f"another sandbox is using {data}") from None
    return lock


def prepare(given: argparse.Namespace, data: Path, keys: Path) -> None:
    """Settings, database, keys, merchant, buyers, clock."""
    secret = data / "secret_key"
    if not secret.exists():
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    os.environ.update(
        DJANGO_SETTINGS_MODULE="sandbox.settings",
        SANDBOX_DATA=str(data),
        SANDBOX_SECRET_KEY=secret.read_text(),
        SANDBOX_HOST_NAMES=" ".join([given.bind, *given.host_name]),
        SANDBOX_LOG_LEVEL="INFO" if given.verbose else "WARNING",
    )
    from .catalogues import compile_catalogues

    compile_catalogues()

    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, interactive=False)

    from . import keyring, world
    from .behaviour import Behaviour, rules
    from .models import Buyer, Merchant
    from .start import start

    try:
        app_public_key = keyring.exchange(keys, given.app_id)
    except keyring.BadKey as bad:
        raise Trouble(str(bad)) from None
    start.app_id, start.seller_id, start.keys = given.app_id, given.seller_id, keys
    start.time_scale = 1.0 if given.time_scale is None else given.time_scale
    with world.change():
        taken = Merchant.objects.filter(seller_id=given.seller_id).exclude(app_id=given.app_id)
        if taken.exists():
            raise Trouble(f"seller {given.seller_id} is another app's in {data}")
        Merchant.objects.update_or_create(
            app_id=given.app_id,
            defaults={"seller_id": given.seller_id, "app_public_key": app_public_key},
            create_defaults={
                "seller_id": given.seller_id,
                "app_public_key": app_public_key,
                "name": "Sandbox merchant",
            },
        )
        for number, logon_id in enumerate(("buyer@sandbox.com", "other@sandbox.com"), start=2):
            Buyer.objects.get_or_create(
                logon_id=logon_id, defaults={"user_id": f"20880000{number:08d}"}
            )
        rules.load(Behaviour(ladder=given.ladder))
        world.recall_clock(given.time_scale)


def listen(given: argparse.Namespace):
    """Take the port."""
    from .server import Server

    try:
        return Server(given.bind, given.port)
    except OSError as reason:
        raise Trouble(f"cannot listen on {given.bind} port {given.port}: {reason}") from None


def serve(given: argparse.Namespace, server, data: Path, keys: Path) -> None:
    """Tell merchants, answer calls; say that it is ready when it is."""
    from django.db import connections

    from .models import Buyer
    from .notifier import notifier

    buyer = Buyer.objects.order_by("pk").values("logon_id", "password", "user_id").first()
    connections.close_all()
    notifier.start()
    host = "127.0.0.1" if given.bind in ("0.0.0.0", "::") else given.bind
    host = f"[{host}]" if ":" in host else host
    address = f"http://{host}:{server.server_port}"
    ready = {
        "address": address,
        "gateway": f"{address}/gateway.do",
        "control": f"{address}/control/",
        "keys": str(keys),
        "data": str(data),
        "app_id": given.app_id,
        "seller_id": given.seller_id,
        "buyer": buyer,
        "pid": os.getpid(),
    }
    if given.print_ready:
        print(json.dumps(ready), flush=True)
    else:
        print(f"Alipay sandbox ready at {address} (keys in {keys})", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
