"""The arguments of pytest, and what they choose."""

import pytest

from tools import testing
from tools.console import Trouble


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
    assert testing.parted(arguments.split()) == parted


def test_quick_and_all_are_two_levels() -> None:
    assert testing.level_of(["orders", "-k", "cancel"]) == testing.LEVELS[""]
    assert testing.level_of(["orders", "--quick"]) == testing.LEVELS["--quick"]
    with pytest.raises(Trouble, match="Choose one of --all and --quick"):
        testing.level_of(["--quick", "orders", "--all"])


def test_a_size_that_the_caller_set_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUITAI_STEPS", "7")
    monkeypatch.delenv("GUITAI_BILL_ROWS", raising=False)

    sizes = testing.sizes({"GUITAI_STEPS": 500, "GUITAI_BILL_ROWS": 9})

    assert sizes == {"GUITAI_STEPS": "7", "GUITAI_BILL_ROWS": "9"}
