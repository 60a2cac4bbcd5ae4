"""What stops the making of .venv is told in one clear sentence."""

import re
from pathlib import Path

import pytest

from tools import bootstrap
from tools.bootstrap import DEVELOPMENT, RUNTIME, make_venv
from tools.console import Trouble


def test_workshop_names_a_module_that_python_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(Trouble, match="apt install python3-venv"):
        make_venv()


def test_the_two_locks_agree() -> None:
    runtime, development = (
        dict(re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE))
        for lock in (RUNTIME, DEVELOPMENT)
    )

    shared = runtime.keys() & development.keys()

    assert "django" in shared
    assert {name: runtime[name] for name in shared} == {name: development[name] for name in shared}
    assert not {"pytest", "playwright", "mypy"} & runtime.keys()


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT])
def test_a_lock_names_no_host(lock: Path) -> None:
    assert "://" not in lock.read_text()


def test_a_library_that_cannot_be_had_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    lock = tmp_path / "lock.txt"
    shelf = [
        f"guitai-{name}==1 \\\n    --hash=sha256:{64 * '0'}" for name in ("tea", "cup", "tray")
    ]
    lock.write_text("\n".join(shelf))

    with pytest.raises(Trouble, match="pip says: ERROR: ") as trouble:
        bootstrap.install_libraries(lock)

    assert "guitai-tea==1" in str(trouble.value)
    assert str(tmp_path / "install-0.log") in str(trouble.value)
    parts = [(tmp_path / f"part-{number}.txt").read_text() for number in range(2)]
    assert parts == [f"{shelf[0]}\n{shelf[2]}\n", f"{shelf[1]}\n"]
