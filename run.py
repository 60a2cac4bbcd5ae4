#!/usr/bin/env python3
"""The one door to the shop: try it, test it, check it.

    python3 run.py demo                 the shop, its worker and a local Alipay, until Ctrl-C
    python3 run.py sandbox [options]    the local Alipay alone
    python3 run.py manage COMMAND       a command of manage.py in the demo: audit, reconcile ...
    python3 run.py test [pytest args]   the tests: on SQLite, on PostgreSQL and in a browser
        --quick                         what tells most in two minutes: no PostgreSQL, one story
        --all                           the longest tests too, and all at their full size
    python3 run.py check [NAME ...]     lint, types, templates, imports, migrations, translations

Only Python 3.11 or newer is needed beforehand. The libraries go into .venv beside this file; what
the demo writes goes into a folder of the user, never into the repository. What the commands do
lies in tools/, which imports the standard library only. An older Python can still read this file,
far enough to say that it is too old.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  this line is for an older Python
    sys.exit(f"The shop needs Python 3.11 or newer; this is {sys.version.split()[0]}.")

import argparse
from pathlib import Path

from tools.checks import check
from tools.console import Trouble
from tools.data_folder import default_data_folder
from tools.demo import demo, manage_demo, sandbox
from tools.processes import heed_stop_signals
from tools.testing import test


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="run.py", description="The one door to Guitai, a shop that sells through Alipay."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo_parser = commands.add_parser(
        "demo", help="run the shop, its worker and a local Alipay, until Ctrl-C"
    )
    manage_parser = commands.add_parser(
        "manage",
        help="run a command of manage.py with the demo's settings, such as: run.py manage audit",
    )
    for one in (demo_parser, manage_parser):
        for option, default, of in (("--port", 8000, "shop"), ("--sandbox-port", 8001, "sandbox")):
            one.add_argument(
                option, type=port_number, default=default, help=f"the {of}'s port ({default})"
            )
        one.add_argument(
            "--data",
            type=lambda text: Path(text).expanduser().absolute(),
            default=default_data_folder(),
            metavar="DIR",
            help="where keys, database, pictures and logs go (%(default)s)",
        )
    manage_parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND ...")

    commands.add_parser(
        "sandbox", help="run the local Alipay alone; `run.py sandbox --help` tells its options"
    )
    commands.add_parser(
        "test",
        help="run the tests: on SQLite, on PostgreSQL and in a browser",
        usage="run.py test [--quick | --all] [pytest args], such as: run.py test orders -k cancel",
    )
    check_parser = commands.add_parser(
        "check", help="check style, types, templates, imports, migrations, settings, translations"
    )
    check_parser.add_argument("names", nargs="*", metavar="NAME", help="only these, such as: ruff")

    heed_stop_signals()
    if arguments[:1] == ["test"] and arguments[1:2] not in (["-h"], ["--help"]):
        return test(arguments[1:])
    if arguments[:1] == ["sandbox"]:
        return sandbox(arguments[1:])
    chosen = parser.parse_args(arguments)
    if chosen.command == "check":
        return check(chosen.names)
    place = {"port": chosen.port, "sandbox_port": chosen.sandbox_port, "data": chosen.data}
    if chosen.command == "manage":
        return manage_demo(chosen.words or ["help"], **place)
    return demo(**place)


def port_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: one is from 1 to 65535")
    return int(text)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        # A console that has no Chinese must not stop the shop.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        sys.exit(main(sys.argv[1:]))
    except Trouble as trouble:
        sys.exit(f"run.py: {trouble}")
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
