"""Days that pass in the shop and in the sandbox alike, and what is bought on them."""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import time_machine

from conftest import Sandbox, make_order
from payments import alipay
from payments.alipay import BEIJING
from payments.models.payment import Payment
from payments.query import ask
from products.models import Product
from users.models import User

DAY = date(2050, 3, 1)
BILL = "alipay.data.dataservice.bill.downloadurl.query"


class World:
    """The shop and its Alipay, whose clocks stand still until they are told to go on."""

    def __init__(self, sandbox: Sandbox, traveller: Any) -> None:
        self.sandbox, self.traveller = sandbox, traveller

    def go_to(self, day: date, clock: str = "12:00") -> None:
        """Let it be that time in Beijing, for both."""
        moment = datetime.combine(day, time.fromisoformat(clock), BEIJING)
        self.sandbox.control("clock", {"to": moment.isoformat(), "mode": "frozen"})
        self.traveller.move_to(moment)

    def morning_after(self, day: date = DAY, clock: str = "10:00") -> None:
        """Let it be the time at which a day's bill is fetched."""
        self.go_to(day + timedelta(days=1), clock)

    def sell(
        self, buyer: User, product: Product, *, quantity: int = 1, told: bool = True
    ) -> Payment:
        """Let a buyer pay an order; Alipay tells of it, or does not."""
        payment = Payment.objects.attempt(make_order(buyer, product, quantity=quantity))
        self.bring_to_the_cashier(payment)
        self.sandbox.control(f"trades/{payment.out_trade_no}/pay", {})
        if told:
            assert ask(payment)
        payment.refresh_from_db()
        return payment

    def bring_to_the_cashier(self, payment: Payment) -> None:
        address = alipay.pay_url(
            "page",
            out_trade_no=payment.out_trade_no,
            total_amount=payment.amount,
            subject="茶, tea",
            time_expire=payment.time_expire,
            notify_url="http://127.0.0.1:9/notify",
            return_url="http://127.0.0.1:9/return",
            quit_url="http://127.0.0.1:9/",
        )
        urllib.request.urlopen(address, timeout=20).close()

    def fault(self, kind: str, method: str = BILL, **options: Any) -> None:
        """Let the next call of a method go wrong."""
        fault = {"kind": kind, "method": method, "times": 1, "seconds": 2}
        self.sandbox.control("faults", fault | options, method="POST")

    def balance(self) -> Decimal:
        """Return what Alipay holds for the shop."""
        return Decimal(self.sandbox.control("merchants")["items"][0]["balance"])


@contextmanager
def travelling(sandbox: Sandbox) -> Iterator[World]:
    """Begin at noon of DAY, with an Alipay that has seen nothing yet and sends no notices."""
    sandbox.control("reset", {})
    sandbox.control("settings", {"timestamp_skew": None}, method="PATCH")
    sandbox.control("notify-policy", {"drop": True}, method="PUT")
    try:
        with time_machine.travel(datetime.combine(DAY, time(), BEIJING), tick=False) as traveller:
            world = World(sandbox, traveller)
            world.go_to(DAY)
            yield world
    finally:
        sandbox.control("reset", {})
