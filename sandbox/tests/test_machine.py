"""Whatever merchants and buyers do in whatever order, a small model says what becomes of it.

Money in minus money out is the balance; there is no transition that the protocol does not have;
what is idempotent stays so.
"""

from __future__ import annotations

from typing import Any, ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.outside import Merchant

pytestmark = pytest.mark.slow

NUMBERS = st.sampled_from(["M1", "M2"])
AMOUNTS = st.sampled_from([1, 300, 999, 1000])
REQUESTS = st.sampled_from(["r1", "r2", ""])


SETTINGS = {"fee_rate": "0", "cancel_same_day": False, "refund_window": 3660}


class Model:
    """What a trade is: its status, its amount, and what went back under which number."""

    def __init__(self) -> None:
        self.status: str | None = None
        self.total = 0
        self.back: dict[str, int] = {}

    def refund(self, number: str, amount: int, key: str) -> str:
        """Say what a refund comes to; book it if it comes to anything."""
        if self.status in (None, "WAIT_BUYER_PAY"):
            return "ACQ.TRADE_STATUS_ERROR" if self.status else "ACQ.TRADE_NOT_EXIST"
        if key in self.back:
            return "N" if self.back[key] == amount else "ACQ.DISCORDANT_REPEAT_REQUEST"
        if self.status == "TRADE_CLOSED":
            return "ACQ.TRADE_HAS_CLOSE"
        if key == number and amount != self.total:
            return "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
        if amount > self.total - sum(self.back.values()):
            return "ACQ.REASON_TRADE_REFUND_FEE_ERR"
        self.back[key] = amount
        if sum(self.back.values()) == self.total:
            self.status = "TRADE_CLOSED"
        return "Y"


class Counter(RuleBasedStateMachine):
    """A merchant and a buyer at two trades."""

    merchant: ClassVar[Merchant]

    def __init__(self) -> None:
        super().__init__()
        self.merchant.process.control("POST", "/reset")
        self.merchant.process.control("PATCH", "/settings", SETTINGS)
        self.trades: dict[str, Model] = {}

    def known(self, number: str) -> Model:
        return self.trades.get(number) or Model()

    def step(self, number: str, step: str) -> Any:
        return self.merchant.process.ask("POST", f"/control/trades/{number}/{step}")

    @rule(number=NUMBERS, amount=AMOUNTS)
    def ask(self, number: str, amount: int) -> None:
        trade = self.known(number)
        code = {"TRADE_SUCCESS": "TRADE_HAS_SUCCESS", "TRADE_CLOSED": "TRADE_HAS_CLOSE"}.get(
            trade.status or ""
        )
        if trade.status == "TRADE_CLOSED" and trade.back:
            code = "TRADE_HAS_SUCCESS"
        if trade.status == "WAIT_BUYER_PAY" and amount != trade.total:
            code = "CONTEXT_INCONSISTENT"

        status, page = self.merchant.page_pay(number, f"{amount / 100:.2f}")

        assert (f"<code>{code}</code>" in page) if code else status == 302
        if not code:
            trade.total = amount
            self.trades[number] = trade

    @rule(number=NUMBERS)
    def scan(self, number: str) -> None:
        status, answer = self.step(number, "scan")

        trade = self.known(number)
        if number not in self.trades:
            assert status == 404
        elif trade.status in (None, "WAIT_BUYER_PAY"):
            trade.status = "WAIT_BUYER_PAY"
            assert answer["trade_status"] == "WAIT_BUYER_PAY"
        else:
            assert status == 409

    @rule(number=NUMBERS)
    def pay(self, number: str) -> None:
        status, answer = self.step(number, "pay")

        trade = self.known(number)
        if number not in self.trades:
            assert status == 404
        elif trade.status in (None, "WAIT_BUYER_PAY"):
            trade.status = "TRADE_SUCCESS"
            assert answer["trade_status"] == "TRADE_SUCCESS"
        else:
            assert status == 409

    @rule(number=NUMBERS)
    def close(self, number: str) -> None:
        answer = self.merchant.close(number)

        trade = self.known(number)
        if trade.status is None:
            assert answer["sub_code"] == "ACQ.TRADE_NOT_EXIST"
        elif trade.status == "WAIT_BUYER_PAY":
            trade.status = "TRADE_CLOSED"
            assert answer["code"] == "10000"
        else:
            assert answer["sub_code"] == "ACQ.TRADE_STATUS_ERROR"

    @rule(number=NUMBERS, amount=AMOUNTS, request=REQUESTS)
    def refund(self, number: str, amount: int, request: str) -> None:
        answer = self.merchant.refund(number, f"{amount / 100:.2f}", request or None)

        expected = self.known(number).refund(number, amount, request or number)
        assert answer.get("fund_change", answer.get("sub_code")) == expected

    @rule(number=NUMBERS)
    def cancel(self, number: str) -> None:
        answer = self.merchant.call("alipay.trade.cancel", {"out_trade_no": number})

        trade = self.known(number)
        if trade.status is None:
            assert answer == {
                "code": "10000",
                "msg": "Success",
                "out_trade_no": number,
                "retry_flag": "N",
            }
        elif trade.status == "TRADE_SUCCESS" and trade.back:
            assert answer["sub_code"] == "ACQ.REASON_TRADE_REFUND_FEE_ERR"
        else:
            assert answer["action"] == (
                "refund" if trade.status == "TRADE_SUCCESS" or trade.back else "close"
            )
            if trade.status == "TRADE_SUCCESS":
                trade.back[number] = trade.total
            trade.status = "TRADE_CLOSED"

    @rule()
    def wait_until_it_is_over(self) -> None:
        self.merchant.process.control("POST", "/clock", {"advance": 16 * 86400})

        for number, trade in list(self.trades.items()):
            if trade.status == "WAIT_BUYER_PAY":
                trade.status = "TRADE_CLOSED"
            elif trade.status is None:
                del self.trades[number]  # nobody can open it any more; it may be asked for anew
                self.merchant.page_pay(number, "0.01")
                self.trades[number] = Model()
                self.trades[number].total = 1

    @invariant()
    def alipay_says_what_the_model_says(self) -> None:
        balance = 0
        for number, trade in self.trades.items():
            told = self.merchant.query(number)
            if trade.status is None:
                assert told["sub_code"] == "ACQ.TRADE_NOT_EXIST"
                continue
            assert (told["trade_status"], told["total_amount"]) == (
                trade.status,
                f"{trade.total / 100:.2f}",
            )
            back = sum(trade.back.values())
            shown = self.merchant.process.control("GET", f"/trades/{number}")
            assert shown["refund_fee"] == f"{back / 100:.2f}"
            balance += trade.total * (shown["gmt_payment"] is not None) - back
        merchants = self.merchant.process.control("GET", "/merchants")["items"]
        assert merchants[0]["balance"] == f"{balance / 100:.2f}"


@pytest.mark.parametrize("examples", [8])
def test_any_order_of_steps(merchant: Merchant, examples: int) -> None:
    merchant.shop.notify_url = "http://127.0.0.1:9/nobody/"
    try:
        Counter.merchant = merchant
        run_state_machine_as_test(
            Counter,
            settings=settings(
                max_examples=examples,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        merchant.shop.notify_url = f"{merchant.shop.address}/notify/"
