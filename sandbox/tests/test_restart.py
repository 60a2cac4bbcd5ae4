"""Nothing is lost when the process dies in the middle of anything."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import read_keys
from tests.outside import ROOT, Merchant, Process, Shop

pytestmark = pytest.mark.slow


def merchant_of(process: Process, shop: Shop) -> Merchant:
    keys = read_keys(Path(process.ready["keys"]))
    return Merchant(process, *keys, process.ready["app_id"], shop)


def test_state_survives_a_kill(tmp_path: Path, listening: Shop) -> None:
    listening.forget()
    listening.answer = lambda heard: (200, "fail")
    first = Process(tmp_path)
    merchant = merchant_of(first, listening)
    paid = merchant.paid("kept")
    listening.wait(1)
    first.control("POST", "/clock", {"advance": 100})
    first.control("PUT", "/notify-policy", {"drop": 3})
    first.control("PUT", "/faults", {"kind": "html", "times": 1, "method": "x"})
    first.control("PATCH", "/settings", {"bills": False})
    clock = first.control("GET", "/clock")["now"]

    first.kill()
    second = Process(tmp_path)
    merchant = merchant_of(second, listening)

    try:
        assert merchant.query("kept")["trade_no"] == paid["trade_no"]
        assert second.control("GET", "/clock")["now"] > clock
        assert second.control("GET", "/notify-policy")["drop"] == 3
        assert second.control("GET", "/faults")["items"][0]["kind"] == "html"
        assert second.control("GET", "/settings")["bills"] is False
        listening.answer = lambda heard: (200, "success")
        second.control("POST", "/clock", {"advance": 200})
        told = [one.fields for one in listening.heard if one.fields["out_trade_no"] == "kept"]
        assert len({fields["notify_id"] for fields in told}) == 1
        assert len(told) >= 2
        (notice,) = second.control("GET", "/notices?out_trade_no=kept")["items"]
        assert notice["state"] == "delivered"
    finally:
        second.stop()


def test_kill_while_selling_loses_no_notice_and_halves_no_trade(
    tmp_path: Path, listening: Shop
) -> None:
    listening.forget()
    said_paid: set[str] = set()

    for life in range(3):
        process = Process(tmp_path)
        merchant = merchant_of(process, listening)

        def sell(merchant: Merchant, life: int) -> None:
            for i in range(10_000):
                number = f"L{life}_{i}"
                try:
                    merchant.paid(number)
                    said_paid.add(number)
                    merchant.refund(number, "1.00", "r")
                except Exception:  # noqa: BLE001  whatever a dying server does to a caller
                    return

        seller = threading.Thread(target=sell, args=(merchant, life))
        seller.start()
        wait_for_more(said_paid, than=10 * (life + 1))
        process.kill()
        seller.join()

    process = Process(tmp_path)
    try:
        told = wait_until_told(process)
        trades = all_of(process, "/trades")
        assert said_paid <= {trade["out_trade_no"] for trade in trades}
        balance = 0
        for trade in trades:
            is_paid = trade["gmt_payment"] is not None
            back = [refund["refund_amount"] for refund in trade["refunds"]]
            states = told.get(trade["out_trade_no"], [])
            assert is_paid or trade["trade_status"] in (None, "WAIT_BUYER_PAY")
            assert trade["refund_fee"] == ("1.00" if back else "0.00")
            assert len(states) == is_paid + len(back)
            assert set(states) <= {"delivered"}
            balance += (1000 - 6) * is_paid - (100 - 1) * len(back)
        merchants = process.control("GET", "/merchants")["items"]
        assert merchants[0]["balance"] == f"{balance // 100}.{balance % 100:02d}"
    finally:
        process.stop()


def wait_for_more(things: set[str], *, than: int) -> None:
    for _ in range(3000):
        if len(things) > than:
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def all_of(process: Process, path: str) -> list[Any]:
    found: list[Any] = []
    while page := process.control("GET", f"{path}?limit=1000&offset={len(found)}")["items"]:
        found += page
    return found


def wait_until_told(process: Process) -> dict[str, list[str]]:
    for _ in range(100):
        notices = all_of(process, "/notices")
        if all(notice["state"] == "delivered" for notice in notices):
            break
        time.sleep(0.1)
    told: dict[str, list[str]] = {}
    for notice in notices:
        told.setdefault(notice["out_trade_no"], []).append(notice["state"])
    return told


# -- starting --------------------------------------------------------------------------------------


def start(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alipay_twin", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "70000"], "not a port"),
        (["--time-scale", "-1"], "between 0"),
        (["--app-id", "abc"], "digits"),
        (["--bind", "203.0.113.1", "--port", "0"], "cannot listen"),
    ],
)
def test_start_says_what_is_wrong(tmp_path: Path, options: list[str], words: str) -> None:
    ended = start("--data", str(tmp_path), *options)

    assert ended.returncode != 0
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_second_process_on_the_same_data_is_refused(running: Process) -> None:
    ended = start("--port", "0", "--data", running.ready["data"])

    assert ended.returncode == 1
    assert "another sandbox is using" in ended.stderr


def test_bad_keys_are_named(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "app_public_key.pem").write_text("garbage")

    ended = start("--port", "0", "--data", str(tmp_path / "data"), "--keys", str(keys))

    assert ended.returncode == 1
    assert "app_public_key.pem is not a key" in ended.stderr


def test_database_of_an_older_version_is_set_aside(
    tmp_path: Path, listening: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    with closing(sqlite3.connect(tmp_path / "data" / "sandbox.sqlite3")) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.execute("CREATE TABLE django_migrations (id INTEGER, app, name, applied)")
        old.execute("INSERT INTO django_migrations VALUES (1, 'sandbox', '0001_initial', '')")
        old.execute("CREATE TABLE sandbox_trade (out_trade_no TEXT)")
        old.execute("INSERT INTO sandbox_trade VALUES ('T1')")
        old.commit()

    process = Process(tmp_path)

    try:
        merchant_of(process, listening).paid("T2")
        assert process.control("GET", "/trades")["count"] == 1
        (aside,) = (tmp_path / "data").glob("sandbox-until-*")
        assert f"older version's data are set aside as {aside}\n" in capfd.readouterr().err
        with closing(sqlite3.connect(aside)) as old:
            assert old.execute("SELECT * FROM sandbox_trade").fetchall() == [("T1",)]
    finally:
        process.stop()


def test_keys_are_made_derived_and_kept(tmp_path: Path, listening: Shop) -> None:
    keys = tmp_path / "keys"
    first = Process(tmp_path)
    first.stop()
    private = (keys / "app_private_key.pem").read_text()
    public = (keys / "app_public_key.pem").read_text()
    alipays = (keys / "alipay_public_key.pem").read_text()
    (keys / "app_public_key.pem").unlink()
    (keys / "alipay_public_key.pem").write_text("the real Alipay's")

    second = Process(tmp_path)

    try:
        assert private.startswith("-----BEGIN RSA PRIVATE KEY-----")
        assert (keys / "app_public_key.pem").read_text() == public
        assert (keys / "alipay_public_key.pem").read_text() == alipays
        assert (keys / "alipay_public_key.previous.pem").read_text() == "the real Alipay's"
        assert sorted(path.name for path in keys.iterdir()) == [
            "alipay_public_key.pem",
            "alipay_public_key.previous.pem",
            "app_private_key.pem",
            "app_public_key.pem",
        ]
        assert merchant_of(second, listening).query("x")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    finally:
        second.stop()
