"""What stops the demo is told in one clear sentence."""

import json
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tools.demo import lock_of, secret_key
from tools.paths import ROOT


def door(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Go through the door as a person does."""
    command = [sys.executable, "run.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


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
    refusal = demo(ROOT / "var", **ports)

    assert refusal.returncode == 1
    assert "is inside the repository" in refusal.stderr


def test_demo_shares_its_data_folder_with_no_other(tmp_path: Path, ports: dict[str, int]) -> None:
    with lock_of(tmp_path):
        refusal = demo(tmp_path, **ports)

    assert refusal.returncode == 1
    assert refusal.stderr.startswith(f"run.py: Another demo uses the data folder {tmp_path}")


def test_sandbox_runs_alone_with_the_options_it_is_given(tmp_path: Path) -> None:
    options = ["--port", "0", "--keys", "keys", "--data", "data", "--print-ready"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), "sandbox", *options],
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
    secret_key(tmp_path / "secret_key")

    known = door("manage", "--data", str(tmp_path), "--port", "9", "diffsettings", "--all")
    unknown = door("manage", "--data", str(tmp_path), "nonsense")

    assert "SHOP_URL = 'http://127.0.0.1:9'" in known.stdout
    assert str(tmp_path / "alipay") in known.stdout
    assert (known.returncode, unknown.returncode) == (0, 1)
    assert "Unknown command: 'nonsense'" in unknown.stderr


def test_secret_key_is_made_once(tmp_path: Path) -> None:
    key = secret_key(tmp_path / "secret_key")

    assert secret_key(tmp_path / "secret_key") == key
    assert len(key) > 50
