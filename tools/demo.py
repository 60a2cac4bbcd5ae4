"""The shop, its worker and a local Alipay, until Ctrl-C; and a command of manage.py among them."""

import hashlib
import http.client
import os
import socket
import time
from pathlib import Path

from tools.bootstrap import RUNTIME, bootstrap
from tools.console import Trouble, say
from tools.data_folder import check_folder, lock_of, secret_key, set_aside_if_older
from tools.environment import environment, sqlite_url
from tools.paths import PYTHON, ROOT, SANDBOX, WINDOWS
from tools.processes import Supervised, ended_afterwards, manage, raise_if_ended, run, wait_until


def demo(*, port: int, sandbox_port: int, data: Path) -> int:
    """Run the shop, its worker and the sandbox until Ctrl-C."""
    check_ports({"--port": port, "--sandbox-port": sandbox_port})
    check_folder(data)
    set_aside_if_older(data)
    supervised: list[Supervised] = []
    try:
        with lock_of(data), ended_afterwards(supervised):
            bootstrap(RUNTIME)
            accounts = open_shop(supervised, port=port, sandbox_port=sandbox_port, data=data)
            say()
            say(f"Shop ready at http://127.0.0.1:{port}")
            say(f"Admin at http://127.0.0.1:{port}/admin/")
            say(f"Sandbox, the local Alipay, at http://127.0.0.1:{sandbox_port}")
            say(f"Logs, and the mail that the shop sends, in {data / 'logs'}")
            say()
            say(f"{accounts.strip()}\n\nCtrl-C ends it all.")
            while True:
                raise_if_ended(supervised)
                time.sleep(0.2)
    except KeyboardInterrupt:
        say("\nThe shop is closed, and every process has ended.")
        return 0


def open_shop(supervised: list[Supervised], *, port: int, sandbox_port: int, data: Path) -> str:
    """Start everything, wait until it answers, and return the accounts to log in with."""
    logs = data / "logs"
    logs.mkdir(exist_ok=True)
    env = demo_environment(port=port, sandbox_port=sandbox_port, data=data)

    def start(name: str, *command: str, **more: str) -> None:
        command_line, log = [PYTHON, *command], logs / f"{name}.log"
        supervised.append(Supervised(name, command_line, env=env | more, log=log))

    say("Starting the sandbox ...")
    folders = ["--keys", str(data / "alipay"), "--data", str(data / "sandbox")]
    options = ["--port", str(sandbox_port), *folders]
    start("sandbox", "-m", "alipay_twin", *options, PYTHONPATH=str(SANDBOX))
    accounts = prepare_shop(data, env)
    wait_until(lambda: status(sandbox_port, "/"), supervised, seconds=60)

    say("Opening the shop ...")
    start("worker", "manage.py", "run_huey")
    # A worker of granian that has died is started anew; one that will not end is killed.
    care = ["--respawn-failed-workers", "--workers-kill-timeout", "2", "--no-ws"]
    # Slow clients are many, and wait outside of the shop.
    size = ["--workers", "2", "--backpressure", "10000"]
    address = ["--host", "127.0.0.1", "--port", str(port)]
    start("shop", "-m", "granian", "--interface", "rsgi", *address, *size, *care, "core.rsgi:shop")
    wait_until(lambda: status(port, "/readyz") == 200, supervised, seconds=60)
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
    bootstrap(RUNTIME)
    env = demo_environment(port=port, sandbox_port=sandbox_port, data=data)
    return run([PYTHON, "manage.py", *command], env=env)


def sandbox(options: list[str]) -> int:
    """Run the local Alipay alone; the options are its own, and paths in them the caller's."""
    bootstrap(RUNTIME)
    command = [PYTHON, "-m", "alipay_twin", *options]
    return run(command, env=environment(PYTHONPATH=str(SANDBOX)), cwd=Path.cwd())


def check_ports(ports: dict[str, int]) -> None:
    """Refuse ports that cannot be had; the keys are the options that choose others."""
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
                    f"Port {port} cannot be used ({error.strerror}): choose another one with "
                    f"{option}, or end the program that has it."
                ) from None


def prepare_shop(data: Path, env: dict[str, str]) -> str:
    """Bring database and static files up to date, fill the shelves, and return the accounts.

    One process does it, as each would spend a second on starting. It does not check the keys:
    they are the sandbox's, which may not have made them yet.
    """
    stamp = data / "static-stamp"
    static_files = print_of_static_files()
    is_collected = stamp.exists() and stamp.read_text() == static_files
    steps = ["--migrate"] if is_collected else ["--migrate", "--collectstatic"]
    accounts = manage("Preparing the shop", "demo", "--skip-checks", *steps, env=env)
    stamp.write_text(static_files)
    return accounts


def print_of_static_files() -> str:
    """Return a hash that changes when collectstatic would write something else."""
    print_of_files = hashlib.sha256(RUNTIME.read_bytes() + (ROOT / "core/settings.py").read_bytes())
    for file in sorted(ROOT.glob("*/static/**/*")):
        print_of_files.update(f"{file} {file.stat().st_mtime_ns}".encode())
    return print_of_files.hexdigest()


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
