"""Amounts as Alipay reads them."""

from decimal import Decimal
from typing import Any

import pytest

from alipay_twin.money import fen, part, share, yuan


@pytest.mark.parametrize(
    ("amount", "counted"),
    [
        ("0.01", 1),
        ("0.1", 10),
        ("10", 1000),
        (10, 1000),
        (Decimal("0.10"), 10),
        ("100000000", 10_000_000_000),
        ("100000000.00", 10_000_000_000),
        ("100000000.01", None),
        ("0", None),
        ("0.00", None),
        ("-1", None),
        ("1e2", None),
        ("1.001", None),
        ("NaN", None),
        (" 1", None),
        ("１", None),
        ("", None),
        (None, None),
        (True, None),
        ([1], None),
    ],
)
def test_fen_reads_what_alipay_reads(amount: Any, counted: int | None) -> None:
    assert fen(amount) == counted


def test_yuan_has_two_decimals() -> None:
    assert [yuan(1), yuan(1000), yuan(0), yuan(-5), yuan(-12345)] == [
        "0.01",
        "10.00",
        "0.00",
        "-0.05",
        "-123.45",
    ]


def test_parts_of_a_fee_add_up_to_the_fee() -> None:
    fee = share(1001, Decimal("0.006"))

    so_far = [part(fee, refunded, 1001) for refunded in (0, 333, 666, 1001)]

    assert fee == 6
    assert so_far == sorted(so_far)
    assert (so_far[0], so_far[-1]) == (0, fee)
