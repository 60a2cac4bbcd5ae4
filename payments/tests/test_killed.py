"""Shop and worker are killed (``kill -9``) in the middle of it: nothing lost, nothing twice.

The processes are real and so is the load; what they did by then is read from the database and
compared with the sandbox's own books. ``GUITAI_PURCHASES`` asks for more than the usual 60.
"""

import http.client
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum

from conftest import (
    Sandbox,
    environment_of_a_child,
    free_port,
    login,
    make_order,
    make_product,
    wait_for,
)
from orders.models import Order, OrderItem
from orders.tests.test_race import post
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.query import ask
from payments.refunds import request_refund
from payments.tests.test_expiry import let_time_pass, tick
from products.models import Product
from users.models import User

pytestmark = pytest.mark.slow

PURCHASES = int(os.environ.get("GUITAI_PURCHASES", "60"))
BUYERS = 6
KILLS = max(3, PURCHASES // 50)
ROOT = Path(__file__).parents[2]
# Chance falls again as it fell by the seed that a test that fails has printed.
SEED = int(os.environ.get("GUITAI_SEED") or random.randrange(1_000_000))
DICE = random.Random(SEED)


def dice() -> random.Random:
    sys.stdout.write(f"GUITAI_SEED={SEED}\n")
    return DICE


def shops_environment(sandbox: Sandbox) -> dict[str, str]:
    return environment_of_a_child(
        ALIPAY_GATEWAY_URL=sandbox.gateway, ALIPAY_TIMEOUT="60", LOG_LEVEL="CRITICAL"
    )


def start(arguments: list[str], sandbox: Sandbox) -> subprocess.Popen[Any]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=shops_environment(sandbox),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[Any]) -> None:
    """End it and its children at once, without a chance to tidy up."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], check=False)
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class MortalShop:
    """The shop as it is deployed, always at the same address, dead or alive."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.sandbox = sandbox
        self.is_up = threading.Event()
        self.start()

    def start(self) -> None:
        server = ["-m", "granian", "--interface", "rsgi", "core.rsgi:shop"]
        options = ["--port", str(self.port), "--workers", "2"]
        self.process = start([*server, *options], self.sandbox)
        wait_for(f"{self.address}/healthz", self.process)
        self.is_up.set()

    def kill(self) -> None:
        self.is_up.clear()
        kill(self.process)


@contextmanager
def mortal_shop(sandbox: Sandbox) -> Iterator[MortalShop]:
    shop = MortalShop(sandbox)
    try:
        yield shop
    finally:
        shop.kill()


def call(shop: MortalShop, session: str, path: str, body: object) -> Any:
    """POST as a buyer who tries again when the shop dies in the middle of it."""
    while True:
        assert shop.is_up.wait(timeout=60)
        with suppress(OSError, http.client.HTTPException):
            status, _, told = post(f"{shop.address}{path}", session, body)
            assert status in (200, 201), told
            return told


def buy_and_pay(shop: MortalShop, session: str, product: Product, quantity: int) -> str:
    """Return the number of an order that the shop has confirmed and the buyer has paid."""
    told = call(shop, session, f"/order/buy/{product.id}/", {"quantity": quantity})
    order_id: str = json.loads(told)["order_id"]
    call(shop, session, f"/order/payment/{order_id}/", {})  # and on to the cashier
    shop.sandbox.control(f"trades/{order_id}/pay", {})
    return order_id


@pytest.fixture
def alipay_side(sandbox: Sandbox) -> Iterator[Sandbox]:
    """Alipay repeats what was not answered, here without the usual minutes in between."""
    sandbox.control("reset", {})
    sandbox.control("settings", {"ladder": [0.5] * 50, "notify_timeout": 60}, method="PATCH")
    yield sandbox
    sandbox.control("reset", {})


@pytest.mark.django_db(transaction=True)
def test_a_shop_that_is_killed_loses_nothing(alipay_side: Sandbox) -> None:
    put_in = 4 * PURCHASES
    tea = make_product(stock=put_in)
    buyers = [User.objects.create_user(f"buyer{number}") for number in range(BUYERS)]
    sessions = [login(buyer).cookies["sessionid"].value for buyer in buyers]
    done = threading.Semaphore(0)

    with mortal_shop(alipay_side) as shop, ThreadPoolExecutor(BUYERS) as pool:

        def purchase(number: int) -> str:
            try:
                return buy_and_pay(shop, sessions[number % BUYERS], tea, 1 + number % 3)
            finally:
                done.release()

        purchases = [pool.submit(purchase, number) for number in range(PURCHASES)]
        for _ in range(KILLS):
            for _ in range(PURCHASES // (KILLS + 1)):
                done.acquire()
            shop.kill()
            shop.start()
        promised = {each.result() for each in purchases}

        told = alipay_side.control("notices?limit=1000")["items"]
        for each in told:
            repeat = {"times": 2, "at_once": True}
            again = alipay_side.control(f"notices/{each['notify_id']}/send", repeat)
            assert [attempt["body"] for attempt in again["attempts"][-2:]] == ["success"] * 2

    let_time_pass()  # an order whose confirmation was lost is nobody's: it expires
    for _ in range(1 + PURCHASES // 50):
        tick()

    statuses = dict(Order.objects.values_list("order_id", "status"))
    settled = Notice.objects.filter(verdict="SETTLED").values_list("out_trade_no", flat=True)
    assert {number for number, status in statuses.items() if status == "PAID"} == promised
    assert {status for number, status in statuses.items() if number not in promised} <= {
        "CANCELLED"
    }
    assert len(promised) == PURCHASES
    assert Counter(settled) == dict.fromkeys(promised, 1)
    assert Counter(each["out_trade_no"] for each in told) == dict.fromkeys(promised, 1)
    assert Product.objects.get().stock == put_in - held_by("PAID")
    assert_books_agree(alipay_side)
    assert Refund.objects.count() == 0


# -- the worker ------------------------------------------------------------------------------------

# In the middle of which call of Alipay the worker dies, one after the other: before Alipay does it,
# or after. Each leaves something to do for the next.
CALLS = list(itertools.product(["query", "close", "refund"], ["before", "after"]))
# Orders of each kind; one tick of the worker takes fifty.
COUNT = min(40, max(12, PURCHASES // 5))


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_does_nothing_twice(alipay_side: Sandbox) -> None:
    alipay_side.control("notify-policy", {"drop": True}, method="PUT")
    tea = make_product(stock=4 * COUNT)
    alice, operator = User.objects.create_user("alice"), User.objects.create_user("operator")
    browser = login(alice)
    for number in range(2 * COUNT):
        order = make_order(alice, tea, quantity=2)
        address = browser.post(f"/order/payment/{order.order_id}/")["Location"]
        urllib.request.urlopen(address, timeout=20).close()
        alipay_side.control(f"trades/{order.order_id}/scan", {})
        if number % 2:
            alipay_side.control(f"trades/{order.order_id}/pay", {})
            payment = Payment.objects.get(order=order)
            assert ask(payment)
            request_refund(payment, amount=payment.amount, by=operator, restocks=True)

    for api, when in CALLS:
        let_time_pass()
        kill_worker_in_the_middle_of(api, when, alipay_side)
    for _ in range(2):
        let_time_pass()
        assert start(WORKER, alipay_side).wait(timeout=120) == 0

    assert Counter(Order.objects.values_list("status", flat=True)) == {
        "CANCELLED": COUNT,
        "REFUNDED": COUNT,
    }
    assert Product.objects.get().stock == 4 * COUNT
    assert set(Refund.objects.values_list("status", flat=True)) == {"DONE"}
    trades = assert_books_agree(alipay_side)
    assert [len(trade["refunds"]) for trade in trades if trade["gmt_payment"]] == [1] * COUNT
    assert {trade["trade_status"] for trade in trades} == {"TRADE_CLOSED"}


WORKER = ["manage.py", "what_is_due"]


def kill_worker_in_the_middle_of(api: str, when: str, sandbox: Sandbox) -> None:
    """Let Alipay keep the worker waiting for one answer, of any of the trades, and kill it then."""
    if api == "refund":
        concerned = Payment.objects.filter(refunds__due_at__isnull=False)
    else:
        concerned = Payment.objects.filter(status="PENDING")
    unlucky = dice().choice(list(concerned.values_list("out_trade_no", flat=True)))
    sandbox.fault("timeout", api, when=when, seconds=30, out_trade_no=unlucky)
    worker = start(WORKER, sandbox)
    try:
        while not sandbox.control("faults")["items"][0]["used"]:
            assert worker.poll() is None
            time.sleep(0.02)  # the sandbox tells nobody by itself
    finally:
        kill(worker)


def held_by(status: str) -> int:
    held: int = OrderItem.objects.filter(order__status=status).aggregate(sum=Sum("quantity"))["sum"]
    return held


def assert_books_agree(sandbox: Sandbox) -> list[Any]:
    """What Alipay holds for each order, to the fen, is what the shop says; return its trades."""
    trades: list[Any] = sandbox.control("trades?limit=1000")["items"]
    at_alipay = {
        trade["out_trade_no"]: Decimal(trade["total_amount"]) - Decimal(trade["refund_fee"])
        for trade in trades
        if trade["gmt_payment"]
    }
    paid = Payment.objects.exclude(paid_at=None)
    assert at_alipay == {
        payment.out_trade_no: payment.amount - payment.refunded() for payment in paid
    }
    assert sum(at_alipay.values()) == sum(
        Order.objects.filter(status="PAID").values_list("total_price", flat=True)
    )
    return trades
