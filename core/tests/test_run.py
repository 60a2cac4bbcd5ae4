"""The door: nothing outlives it, and what stops it is told in one clear sentence."""

import ast
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import run

# Connects to a port, starts a child that does the same, and sleeps. A connection lasts as long as
# its process does. With one more argument, both ignore a polite request to end.
FAMILY = """
import os, signal, socket, subprocess, sys, time

port, who, *deaf = sys.argv[1:]
if deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
connection = socket.create_connection(("127.0.0.1", int(port)))
connection.sendall(f"{who} {os.getpid()} {os.getppid()}".encode())
if who == "parent":
    subprocess.Popen([sys.executable, __file__, port, "child", *deaf])
time.sleep(60)
"""

# Stands for the demo: what it keeps is the command of its arguments.
DOOR = """
import os, sys, time
from pathlib import Path
from run import Kept, ended_afterwards, raise_if_ended

family = [Kept("family", sys.argv[2:], env=dict(os.environ), log=Path(sys.argv[1]))]
with ended_afterwards(family):
    while True:
        raise_if_ended(family)
        time.sleep(0.1)
"""


class House:
    """A door, its keeper, a parent and a child: each process started by the one before."""

    def __init__(self, folder: Path, *deaf: str) -> None:
        program = folder / "family.py"
        program.write_text(FAMILY)
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(20)
            port = str(server.getsockname()[1])
            family = [sys.executable, str(program), port, "parent", *deaf]
            door = [sys.executable, "-c", DOOR, str(folder / "log"), *family]
            self.door = subprocess.Popen(door, cwd=run.ROOT, stderr=subprocess.PIPE, text=True)
            self.connections = [server.accept()[0] for _ in range(2)]
        hellos = (connection.recv(100).decode().split() for connection in self.connections)
        pids = {who: (int(own), int(above)) for who, own, above in hellos}
        self.parent, self.keeper = pids["parent"]

    def is_empty(self, *, within: float) -> bool:
        """Wait until parent and child have ended, and tell whether they have."""
        for connection in self.connections:
            connection.settimeout(within)
            try:
                connection.recv(1)
            except ConnectionError:
                pass  # how Windows tells that the other side was killed
            except TimeoutError:
                return False
        return True

    def close(self) -> None:
        self.door.kill()
        self.door.communicate()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    house = House(tmp_path, *getattr(request, "param", ()))
    yield house
    house.close()


def kill(process: int) -> None:
    """End a process at once, as `kill -9` does; its keeper may have been faster."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, getattr(signal, "SIGKILL", signal.SIGTERM))


def test_nobody_ends_while_the_door_stands(house: House) -> None:
    assert not house.is_empty(within=0.5)


@pytest.mark.parametrize("house", [(), ("deaf",)], indirect=True)
def test_killing_the_door_ends_everybody(house: House) -> None:
    kill(house.door.pid)

    assert house.is_empty(within=run.GRACE + 2)


def test_killing_a_parent_ends_its_child(house: House) -> None:
    kill(house.parent)

    assert house.is_empty(within=2)


def test_killing_parent_and_door_at_once_ends_the_child(house: House) -> None:
    kill(house.door.pid)
    kill(house.parent)

    assert house.is_empty(within=run.GRACE + 2)


def test_killing_the_keeper_ends_everybody(house: House) -> None:
    kill(house.keeper)

    assert house.is_empty(within=2)


def test_the_door_says_who_ended(house: House, tmp_path: Path) -> None:
    kill(house.parent)

    words = house.door.communicate(timeout=20)[1]

    assert (
        f"Trouble: The family ended by itself: its last lines are above, all in {tmp_path}" in words
    )
    assert "run.py: this process ended with exit code" in words


def door(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Go through the door as a person does."""
    command = [sys.executable, "run.py", *arguments]
    return subprocess.run(command, cwd=run.ROOT, capture_output=True, text=True, timeout=60)


def demo(data: Path, **ports: int) -> subprocess.CompletedProcess[str]:
    options = [f"--{name.replace('_', '-')}={port}" for name, port in ports.items()]
    return door("demo", "--data", str(data), *options)


@pytest.fixture
def ports() -> dict[str, int]:
    """Two ports that nobody listens on."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        return {"port": one.getsockname()[1], "sandbox_port": two.getsockname()[1]}


@pytest.mark.parametrize("option", ["port", "sandbox_port"])
def test_demo_names_a_port_in_use_and_the_option(
    tmp_path: Path, ports: dict[str, int], option: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]

        refusal = demo(tmp_path / "data", **{**ports, option: taken})

    assert refusal.returncode == 1
    assert refusal.stderr.startswith(f"run.py: Port {taken} can not be used (")
    assert f"choose another one with --{option.replace('_', '-')}," in refusal.stderr
    assert refusal.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_demo_wants_two_ports(tmp_path: Path) -> None:
    refusal = demo(tmp_path, port=8000, sandbox_port=8000)

    assert refusal.returncode == 1
    assert refusal.stderr == "run.py: --port and --sandbox-port must be different ports.\n"


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", ""])
def test_demo_refuses_what_is_no_port(port: str) -> None:
    refusal = door("demo", f"--port={port}")

    assert refusal.returncode == 2
    assert f"{port!r} is not a port" in refusal.stderr


def test_demo_says_where_it_can_not_write(tmp_path: Path, ports: dict[str, int]) -> None:
    (tmp_path / "file").touch()

    refusal = demo(tmp_path / "file" / "data", **ports)

    assert refusal.returncode == 1
    assert refusal.stderr.startswith(f"run.py: Can not write to the data folder {tmp_path}")
    assert refusal.stderr.count("\n") == 1


def test_demo_keeps_its_data_out_of_the_repository(ports: dict[str, int]) -> None:
    refusal = demo(run.ROOT / "var", **ports)

    assert refusal.returncode == 1
    assert "is inside the repository" in refusal.stderr


def test_demo_shares_its_data_folder_with_no_other(tmp_path: Path, ports: dict[str, int]) -> None:
    with run.lock_of(tmp_path):
        refusal = demo(tmp_path, **ports)

    assert refusal.returncode == 1
    assert refusal.stderr.startswith(f"run.py: Another demo uses the data folder {tmp_path}")


def test_sandbox_runs_alone_with_the_options_it_is_given(tmp_path: Path) -> None:
    options = ["--port", "0", "--keys", "keys", "--data", "data", "--print-ready"]
    process = subprocess.Popen(
        [sys.executable, str(run.ROOT / "run.py"), "sandbox", *options],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    ready = json.loads(process.stdout.readline())
    with urllib.request.urlopen(ready["address"]) as page:
        assert page.status == 200

    process.terminate()
    process.communicate(timeout=20)

    assert ready["keys"] == str(tmp_path / "keys")
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(ready["address"])


def test_manage_needs_a_demo(tmp_path: Path) -> None:
    refusal = door("manage", "--data", str(tmp_path), "audit")

    assert refusal.returncode == 1
    assert (
        refusal.stderr == f"run.py: There is no demo in {tmp_path} yet: `run.py demo` makes one.\n"
    )


def test_manage_has_the_settings_of_the_demo(tmp_path: Path) -> None:
    run.secret_key(tmp_path / "secret_key")

    known = door("manage", "--data", str(tmp_path), "--port", "9", "diffsettings", "--all")
    unknown = door("manage", "--data", str(tmp_path), "nonsense")

    assert "SHOP_URL = 'http://127.0.0.1:9'" in known.stdout
    assert str(tmp_path / "alipay") in known.stdout
    assert (known.returncode, unknown.returncode) == (0, 1)
    assert "Unknown command: 'nonsense'" in unknown.stderr


def test_secret_key_is_made_once(tmp_path: Path) -> None:
    key = run.secret_key(tmp_path / "secret_key")

    assert run.secret_key(tmp_path / "secret_key") == key
    assert len(key) > 50


def test_environment_keeps_the_callers_shop_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIPAY_APP_ID", "the real one")
    monkeypatch.setenv("SECRET_KEY_FILE", "/the/real/key")
    monkeypatch.setenv("EMAIL_URL", "smtp://real.example")
    monkeypatch.setenv("LANG", "C.UTF-8")

    environment = run.environment(DEBUG="false")

    ours = {"ALIPAY_APP_ID", "SECRET_KEY", "SECRET_KEY_FILE", "EMAIL_URL", "LANG", "DEBUG"}
    assert {name: environment[name] for name in ours & environment.keys()} == {
        "LANG": "C.UTF-8",
        "DEBUG": "false",
    }


@pytest.mark.parametrize(
    ("arguments", "parted"),
    [
        ("", ([], [], [])),
        ("-x", (["-x"], [], [])),
        ("core -k core", (["-k", "core"], ["core"], [])),
        ("core/tests::test_one -x", (["-x"], ["core/tests::test_one"], [])),
        ("-m slow users e2e", (["-m", "slow"], ["users"], ["e2e"])),
        ("no/such/file.py", (["no/such/file.py"], [], [])),
    ],
)
def test_arguments_of_pytest_are_parted(
    arguments: str, parted: tuple[list[str], list[str], list[str]]
) -> None:
    assert run.parted(arguments.split()) == parted


def test_workshop_names_a_module_that_python_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(run.Trouble, match="apt install python3-venv"):
        run.make_venv()


def test_an_old_python_is_told_so() -> None:
    old = (
        "import sys, runpy; sys.version_info = 3, 10; runpy.run_path('run.py', run_name='__main__')"
    )
    refusal = subprocess.run(
        [sys.executable, "-c", old], cwd=run.ROOT, capture_output=True, text=True, timeout=20
    )

    assert refusal.returncode == 1
    assert refusal.stderr.startswith("The shop needs Python 3.11 or newer; this is ")
    # What an old Python can not even read, it can not answer.
    ast.parse((run.ROOT / "run.py").read_text(encoding="utf-8"), feature_version=(3, 7))
