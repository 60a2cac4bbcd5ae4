"""Time travel: everything that is due happens, in order, at its own instant."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest

from tests.outside import Merchant, Process


def now(process: Process) -> datetime:
    return datetime.fromisoformat(process.control("GET", "/clock")["now"])


def test_clock_is_real_at_first(sandbox: Process) -> None:
    told = sandbox.control("GET", "/clock")

    gap = datetime.fromisoformat(told["now"]) - datetime.fromisoformat(told["real"])
    assert abs(gap) < timedelta(seconds=1)
    assert (told["mode"], told["scale"]) == ("real", 1.0)


def test_clock_advances_and_goes_on(sandbox: Process) -> None:
    before = now(sandbox)

    after = sandbox.control("POST", "/clock", {"advance": 1000})

    passed = datetime.fromisoformat(after["now"]) - before
    assert timedelta(seconds=1000) <= passed < timedelta(seconds=1010)
    assert now(sandbox) > datetime.fromisoformat(after["now"])


def test_clock_freezes(sandbox: Process) -> None:
    sandbox.control("POST", "/clock", {"mode": "frozen"})

    first, second = now(sandbox), now(sandbox)
    sandbox.control("POST", "/clock", {"advance": 5})

    assert first == second
    assert now(sandbox) == first + timedelta(seconds=5)


def test_clock_scales(sandbox: Process) -> None:
    sandbox.control("POST", "/clock", {"mode": "scaled", "scale": 3600})
    first = now(sandbox)

    time.sleep(0.2)

    assert now(sandbox) - first > timedelta(minutes=10)


@pytest.mark.parametrize("to", ["2050-01-02 03:04:05", "2050-01-01T19:04:05Z"])
def test_clock_goes_to_an_instant(sandbox: Process, to: str) -> None:
    sandbox.control("POST", "/clock", {"mode": "frozen"})

    told = sandbox.control("POST", "/clock", {"to": to})

    assert told["now"][:19] == "2050-01-02T03:04:05"


@pytest.mark.parametrize(
    "wrong",
    [
        {"advance": -1},
        {"advance": 1e12},
        {"advance": "soon"},
        {"to": "2020-01-01 00:00:00"},
        {"to": "x"},
        {"mode": "backwards"},
        {"scale": 0},
        {"retreat": 1},
    ],
    ids=str,
)
def test_clock_refuses_nonsense(sandbox: Process, wrong: dict[str, object]) -> None:
    status, problem = sandbox.ask("POST", "/control/clock", wrong)

    assert (status, problem["status"]) == (422, 422)


def test_what_is_due_happens_in_order(merchant: Merchant, number: str) -> None:
    merchant.process.control("POST", "/clock", {"mode": "frozen"})
    merchant.process.control("PATCH", "/settings", {"notify_everything": True})
    for minutes in (3, 1, 2):
        merchant.page_pay(f"{number}_{minutes}", timeout_express=f"{minutes}m")
        merchant.process.control("POST", f"/trades/{number}_{minutes}/scan")
    merchant.shop.wait(3)
    start = now(merchant.process)
    merchant.shop.heard.clear()

    merchant.process.control("POST", "/clock", {"advance": 3600})

    told = [(heard.fields["out_trade_no"][-1], heard.fields) for heard in merchant.shop.heard]
    assert [end for end, _ in told] == ["1", "2", "3"]
    for end, fields in told:
        due = (start + timedelta(minutes=int(end))).strftime("%Y-%m-%d %H:%M:%S")
        assert (fields["notify_time"], fields["gmt_close"]) == (due, due)


def test_scaled_time_brings_what_is_due_by_itself(merchant: Merchant, number: str) -> None:
    merchant.shop.answer = lambda heard: (200, "fail")
    merchant.process.control("POST", "/clock", {"mode": "scaled", "scale": 2400})

    merchant.paid(number)

    assert len(merchant.shop.wait(4)) >= 4


def test_merchant_may_ask_while_the_clock_is_turned(merchant: Merchant, number: str) -> None:
    merchant.process.control("PUT", "/notify-policy", {"delay": 60})
    asked: list[str] = []

    def ask(heard: object) -> tuple[int, str]:
        clock = merchant.process.control("GET", "/clock")
        asked.append(clock["now"])
        return 200, "success"

    merchant.shop.answer = ask
    paid = merchant.paid(number)

    merchant.process.control("POST", "/clock", {"advance": 3600})

    due = datetime.fromisoformat(paid["gmt_payment"]) + timedelta(seconds=60)
    assert [datetime.fromisoformat(at) for at in asked] == [due]


def test_reset_forgets_everything_but_keys(merchant: Merchant, number: str) -> None:
    control = merchant.process.control
    merchant.paid(number)
    control("PUT", "/faults", {"kind": "html"})
    control("PATCH", "/settings", {"bills": False})
    control("POST", "/clock", {"advance": 1e6})

    control("POST", "/reset")

    assert control("GET", "/trades")["count"] == 0
    assert control("GET", "/notices")["count"] == 0
    assert control("GET", "/faults")["items"] == []
    assert control("GET", "/settings")["bills"] is True
    assert control("GET", "/merchants")["items"][0]["balance"] == "0.00"
    assert merchant.query(number)["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    test_clock_is_real_at_first(merchant.process)
