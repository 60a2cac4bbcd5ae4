"""From an empty folder to a sandbox that answers."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from django.core.management import call_command
from django.db import connection, connections

from .. import keyring, state
from ..behaviour import Behaviour, rules
from ..faults import faults
from ..models import Buyer, Merchant
from ..notifier import notifier
from .http_server import Server
from .old_data import set_aside_old_database
from .options import options

#: Test buyers and their user_ids; the first is the usual one.
BUYERS = {"buyer@sandbox.com": "2088000000000002", "other@sandbox.com": "2088000000000003"}

EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104  what the user may bind to


class CannotServe(Exception):
    """Why not, in words for the one who starts it."""


def prepare(given: argparse.Namespace, keys: Path) -> None:
    """Database, keys, merchant, buyers, clock: make what is missing."""
    old = set_aside_old_database(Path(connection.settings_dict["NAME"]))
    if old:
        sys.stderr.write(f"sandbox: an older version's data are set aside as {old}\n")
    call_command("migrate", verbosity=0, interactive=False)
    try:
        app_public_key = keyring.exchange(keys, given.app_id)
    except keyring.BadKey as bad:
        raise CannotServe(str(bad)) from bad
    options.app_id, options.seller_id, options.keys = given.app_id, given.seller_id, keys
    options.time_scale = 1.0 if given.time_scale is None else given.time_scale
    with state.change():
        others = Merchant.objects.filter(seller_id=given.seller_id).exclude(app_id=given.app_id)
        if others.exists():
            raise CannotServe(f"seller {given.seller_id} belongs to another app in this data")
        facts = {"seller_id": given.seller_id, "app_public_key": app_public_key}
        Merchant.objects.update_or_create(
            app_id=given.app_id,
            defaults=facts,
            create_defaults={**facts, "name": "Sandbox merchant"},
        )
        for logon_id, user_id in BUYERS.items():
            Buyer.objects.get_or_create(logon_id=logon_id, defaults={"user_id": user_id})
        faults.load()
        rules.load(Behaviour(ladder=given.ladder))
        state.load_clock(given.time_scale)


def serve(given: argparse.Namespace, *, keys: Path, data: Path) -> None:
    """Take the port, tell merchants, answer calls; say so when it is ready."""
    try:
        server = Server(given.bind, given.port)
    except OSError as reason:
        raise CannotServe(f"cannot listen on {given.bind} port {given.port}: {reason}") from None
    buyer = Buyer.objects.order_by("pk").values("logon_id", "password", "user_id").first()
    connections.close_all()
    notifier.start()
    host = "127.0.0.1" if given.bind in EVERYWHERE else given.bind
    address = f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}"
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
    for_people = f"Alipay sandbox ready at {address} (keys in {keys})"
    sys.stdout.write((json.dumps(ready) if given.print_ready else for_people) + "\n")
    sys.stdout.flush()
    server.serve_forever()
