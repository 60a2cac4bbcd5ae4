"""Nothing outlives the door, and who ended is told in one clear sentence."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.paths import ROOT
from tools.supervisor import GRACE

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

# Stands for the demo: what it supervises is the command of its arguments.
DOOR = """
import os, sys, time
from pathlib import Path
from tools.processes import Supervised, ended_afterwards, raise_if_ended

family = [Supervised("family", sys.argv[2:], env=dict(os.environ), log=Path(sys.argv[1]))]
with ended_afterwards(family):
    while True:
        raise_if_ended(family)
        time.sleep(0.1)
"""


class House:
    """A door, its supervisor, a parent and a child: each process started by the one before."""

    def __init__(self, folder: Path, *deaf: str) -> None:
        program = folder / "family.py"
        program.write_text(FAMILY)
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(20)
            port = str(server.getsockname()[1])
            family = [sys.executable, str(program), port, "parent", *deaf]
            door = [sys.executable, "-c", DOOR, str(folder / "log"), *family]
            self.door = subprocess.Popen(door, cwd=ROOT, stderr=subprocess.PIPE, text=True)
            self.connections = [server.accept()[0] for _ in range(2)]
        hellos = (connection.recv(100).decode().split() for connection in self.connections)
        pids = {who: (int(own), int(above)) for who, own, above in hellos}
        self.parent, self.supervisor = pids["parent"]

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
    """End a process at once, as `kill -9` does; its supervisor may have been faster."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, getattr(signal, "SIGKILL", signal.SIGTERM))


def test_nobody_ends_while_the_door_stands(house: House) -> None:
    assert not house.is_empty(within=0.5)


@pytest.mark.parametrize("house", [(), ("deaf",)], indirect=True)
def test_killing_the_door_ends_everybody(house: House) -> None:
    kill(house.door.pid)

    assert house.is_empty(within=GRACE + 2)


def test_killing_a_parent_ends_its_child(house: House) -> None:
    kill(house.parent)

    assert house.is_empty(within=2)


def test_killing_parent_and_door_at_once_ends_the_child(house: House) -> None:
    kill(house.door.pid)
    kill(house.parent)

    assert house.is_empty(within=GRACE + 2)


def test_killing_the_keeper_ends_everybody(house: House) -> None:
    kill(house.supervisor)

    assert house.is_empty(within=2)


def test_the_door_says_who_ended(house: House, tmp_path: Path) -> None:
    kill(house.parent)

    words = house.door.communicate(timeout=20)[1]

    assert (
        f"Trouble: The family ended by itself: its last lines are above, all in {tmp_path}" in words
    )
    assert "run.py: this process ended with exit code" in words
