"""What stops the making of .venv is told in one clear sentence."""

import pytest

from tools.bootstrap import make_venv
from tools.console import Trouble


def test_workshop_names_a_module_that_python_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(Trouble, match="apt install python3-venv"):
        make_venv()
