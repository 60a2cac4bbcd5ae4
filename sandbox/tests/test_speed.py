"""How quick it is, and that it does not grow. Only when asked for, as these take their time:

SANDBOX_TRADES=100000 python -m pytest -m long sandbox/tests/test_speed.py -s
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import pytest

from tests.outside import Merchant


def rate(work: Callable[[int], object], count: int) -> float:
    started = time.perf_counter()
    for i in range(count):
        work(i)
    return count / (time.perf_counter() - started)


def tell(what: str) -> None:
    sys.stderr.write(f"\n{what}")


@pytest.mark.long
def test_gateway_and_notices_are_quick(merchant: Merchant) -> None:
    count = 500
    biz = {"subject": "茶", "total_amount": "1.00"}
    method = "alipay.trade.precreate"
    rates = {
        "page.pay": rate(lambda i: merchant.page_pay(f"S{i}"), count),
        "precreate": rate(lambda i: merchant.call(method, {**biz, "out_trade_no": f"Q{i}"}), count),
        "query": rate(lambda i: merchant.query(f"S{i}"), count),
        "close": rate(lambda i: merchant.close(f"S{i}"), count),
    }
    merchant.process.control("POST", "/clock", {"mode": "frozen"})
    merchant.process.control("PUT", "/notify-policy", {"delay": 10})
    for i in range(count):
        merchant.process.control("POST", f"/trades/S{i}/pay")
    rates["refund"] = rate(lambda i: merchant.refund(f"S{i}", "1.00", "r"), count)

    started = time.perf_counter()
    merchant.process.control("POST", "/clock", {"mode": "scaled", "scale": 1000})
    merchant.shop.wait(2 * count, 60)
    rates["notices"] = 2 * count / (time.perf_counter() - started)

    for what, found in rates.items():
        tell(f"{what}: {found:.0f}/s")
    calls = [found for what, found in rates.items() if what != "notices"]
    assert len(calls) / sum(1 / found for found in calls) >= 200
    assert rates["notices"] >= 100


@pytest.mark.long
def test_memory_stays_flat(merchant: Merchant) -> None:
    psutil = pytest.importorskip("psutil")
    process = psutil.Process(merchant.process.ready["pid"])
    count = int(os.environ.get("SANDBOX_TRADES", "100000"))
    sizes = []

    for i in range(count):
        merchant.paid(f"M{i}", notify_url=None if i % 10 else merchant.shop.notify_url)
        if i % (count // 20) == count // 20 - 1:
            merchant.shop.heard.clear()
            sizes.append(process.memory_info().rss / 2**20)
            tell(f"{i + 1} trades: {sizes[-1]:.0f} MiB")

    assert max(sizes[5:]) < 1.15 * sizes[4]
