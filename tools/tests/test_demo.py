"""What stops the demo is told in one clear sentence."""

import contextlib
import json
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tools.data_folder import lock_of, secret_key, set_aside_if_older
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
    assert refusal.stderr.startswith(f"run.py: Port {taken} cannot be used (")
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
    assert refusal.stderr.startswith(f"run.py: Cannot write to the data folder {tmp_path}")
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


def shop_that_has_seen(data: Path, *migrations: tuple[str, str]) -> None:
    data.mkdir()
    with contextlib.closing(sqlite3.connect(data / "shop.sqlite3")) as database, database:
        database.execute("CREATE TABLE django_migrations (app, name)")
        database.executemany("INSERT INTO django_migrations VALUES (?, ?)", migrations)


def test_demo_sets_the_folder_of_an_older_version_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "guitai"
    shop_that_has_seen(data, ("payments", "0001_initial"), ("payments", "0011_differences"))

    set_aside_if_older(data)

    [aside] = tmp_path.glob("guitai-until-*")
    assert (aside / "shop.sqlite3").is_file()
    assert list(data.iterdir()) == []
    assert str(aside) in capsys.readouterr().out


def test_demo_keeps_the_folder_of_its_own_version(tmp_path: Path) -> None:
    data = tmp_path / "guitai"
    shop_that_has_seen(data, ("payments", "0001_initial"), ("axes", "0001_initial"))

    set_aside_if_older(data)

    assert (data / "shop.sqlite3").is_file()
    assert [folder.name for folder in tmp_path.iterdir()] == ["guitai"]


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
