"""The arguments of pytest, and what they choose."""

import pytest

from tools import testing


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
