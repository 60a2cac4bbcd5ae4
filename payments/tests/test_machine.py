"""Whatever buyers, operators, workers, time and Alipay do in whatever order: the money is right.

Hypothesis makes up the days of a shop beside the real sandbox: purchases, payments, notices that
come late, twice or never, ways to pay that are changed for another, cancellations, refunds that
wait for a second operator, refunds in Alipay's own console, workers that die, and lost answers.
After every step the books of both are compared, and at nightfall, when nothing is wrong any more
and the worker has run, every order is settled or cancelled, and no fen is where it should not be.

The shop's clock is turned together with the sandbox's. No notice comes by itself: a rule brings
it, or it is lost. ``GUITAI_STEPS`` asks for more steps than the usual 2000.
"""

import http.client
import os
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any
from unittest import mock
from urllib.parse import urlencode, urlsplit

import hypothesis.strategies as st
import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import (
    initialize,
    rule,
    run_state_machine_as_test,
)

from conftest import Sandbox, login
from core.problems import Problem
from orders.models import Order
from payments import alipay, refunds
from payments.exceptions import AlipayTrouble, RefundTooHigh
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.alipay_side import TRADE_NO, notice, returned
from payments.tests.machine_shop import Shop
from payments.tests.machine_stories import (
    ANY_STEP,
    DEATHS,
    FAULTS,
    FORGERIES,
    NO_MONEY,
    PRICE,
    PURCHASES,
    STORIES,
    WHICH,
)
from payments.tests.test_attempts import PHONE
from products.models import Product
from users.models import User

STEPS = int(os.environ.get("GUITAI_STEPS", "2000"))
STEPS_A_DAY = 50


class Killed(BaseException):
    """Nothing catches it, as nothing catches ``kill -9``."""


class Day(Shop):
    """What buyers, operators, Alipay and strangers do to one shop in a day."""

    # -- the buyer ---------------------------------------------------------------------------------

    @initialize(purchases=st.lists(PURCHASES, min_size=1, max_size=3))
    def open_the_shop(self, purchases: list[tuple[int, str]]) -> None:
        for purchase in purchases:
            self.buy(purchase)

    @rule(purchase=PURCHASES)
    def buy(self, purchase: tuple[int, str]) -> None:
        quantity, story = purchase
        left = Product.objects.get().stock

        response = self.alices.post(
            f"/order/buy/{self.tea.id}/", {"quantity": quantity}, content_type="application/json"
        )

        if quantity > left:
            assert response.status_code == 409
            return
        order = Order.objects.get(order_id=response.json()["order_id"])
        assert (response.status_code, order.total_price) == (201, PRICE * quantity)
        for step in STORIES[story]:
            getattr(self, step)(order)

    @rule(which=WHICH, step=st.sampled_from(ANY_STEP))
    def go_on(self, which: int, step: str) -> None:
        """Go on with an order, from wherever it is; the buyer may think that it is elsewhere."""
        getattr(self, step)(self.one_of(Order.objects.all(), which))

    def begin_to_pay(self, order: Order, **headers: str) -> None:
        was_payable = Order.objects.get(pk=order.pk).is_payable

        response = self.alices.post(f"/order/payment/{order.order_id}/", headers=headers)

        assert response.status_code in ((303, 409, 503) if was_payable else (409,))
        if response.status_code == 303:
            self.addresses.setdefault(order.pk, set()).add(response["Location"])

    def begin_by_phone(self, order: Order) -> None:
        self.begin_to_pay(order, **PHONE)

    def show_qr(self, order: Order) -> None:
        response = self.alices.post(f"/payments/{order.order_id}/qr/")

        assert response.status_code in (303, 409, 503)
        shown = order.payments.filter(kind="qr", status="PENDING").exclude(qr_code="")
        assert response.status_code != 303 or shown.exists()

    def forget_how_it_began(self, order: Order) -> None:
        """The attempt counts as closed, though it can still be paid at Alipay."""
        for payment in order.payments.all():
            if payment.close():
                self.needs_notice.add(payment.out_trade_no)

    def go_to_the_cashier(self, order: Order) -> None:
        """By every address that Alice ever got for it: browsers remember."""
        for address in map(urlsplit, sorted(self.addresses.get(order.pk, ()))):
            cashier = http.client.HTTPConnection(address.netloc, timeout=20)
            cashier.request("GET", f"{address.path}?{address.query}")
            cashier.getresponse().read()
            cashier.close()

    def log_in_there(self, order: Order) -> None:
        self.do_at_alipay(order, "scan")

    def pay(self, order: Order) -> None:
        self.do_at_alipay(order, "pay")

    def do_at_alipay(self, order: Order, step: str) -> None:
        for payment in order.payments.all():
            try:
                self.sandbox.control(f"trades/{payment.out_trade_no}/{step}", {})
            except urllib.error.HTTPError as refusal:
                refusal.close()
                if refusal.code not in (404, 409):  # never asked for; too late
                    raise

    def come_back(self, order: Order) -> None:
        """With the address that Alipay made, or, unpaid, with one that says nothing of it."""
        for payment in order.payments.all():
            trade = self.trades().get(payment.out_trade_no)
            if trade and trade["return_address"]:
                query = urlsplit(trade["return_address"]).query
            else:
                query = urlencode(returned(payment))

            response = self.alices.get(f"/payments/alipay/return/?{query}")

            assert response.status_code == 200

    def cancel(self, order: Order) -> None:
        response = self.alices.post(f"/api/v1/orders/{order.order_id}/cancel")

        assert response.status_code in (200, 409, 503)
        is_cancelled = Order.objects.get(pk=order.pk).is_cancelled
        assert is_cancelled == (response.status_code == 200 or order.is_cancelled)

    def be_a_stranger(self, order: Order) -> None:
        answers = [
            self.bobs.post(f"/order/payment/{order.order_id}/"),
            self.bobs.post(f"/api/v1/orders/{order.order_id}/cancel"),
            self.bobs.get(f"/payments/{order.order_id}/panel/"),
        ]

        assert [answer.status_code for answer in answers] == [404] * 3

    # -- Alipay ------------------------------------------------------------------------------------

    @rule(which=WHICH, times=st.integers(min_value=1, max_value=3))
    def notify(self, which: int, times: int) -> None:
        """Bring any notice that was ever made, for the first time or again."""
        told = self.sandbox.control("notices?limit=1000")["items"]
        if told:
            fields = told[which % len(told)]["fields"]
            for _ in range(times):
                is_foreign = fields.get("out_biz_no", "").startswith("console")
                answer = self.post(fields)
                # Of a foreign refund Alipay is asked; when it does not say, it shall call again.
                if answer.status_code != 400 or not is_foreign:
                    assert (answer.status_code, answer.content) == (200, b"success")

    @rule(which=WHICH, percent=st.sampled_from([1, 50, 100]))
    def refund_in_the_console(self, which: int, percent: int) -> None:
        """Somebody who may do so refunds at Alipay itself, and the shop was not asked."""
        if payment := self.one_of(Payment.objects.all(), which):
            self.foreign += 1
            with suppress(AlipayTrouble):
                self.needs_notice.add(payment.out_trade_no)
                alipay.refund(
                    out_trade_no=payment.out_trade_no,
                    refund_amount=(payment.amount * percent / 100).quantize(Decimal("0.01")),
                    out_request_no=f"console-{self.foreign}",
                    refund_reason="by hand",
                )

    @rule(which=WHICH, forgery=st.sampled_from(sorted(FORGERIES)))
    def forge(self, which: int, forgery: str) -> None:
        if payment := self.one_of(Payment.objects.all(), which):
            changes, check = FORGERIES[forgery]
            fields = notice(payment, trade_no=payment.trade_no or TRADE_NO, **changes)

            answer = self.post(fields)

            assert (answer.status_code, answer.content) == (400, b"failure")
            assert Notice.objects.latest("id").reason.split(":")[0] == check

    @rule(fault=FAULTS | st.just(NO_MONEY))
    def go_wrong(self, fault: dict[str, Any]) -> None:
        self.sandbox.control("faults", {**fault, "seconds": 0})

    # -- the shop ----------------------------------------------------------------------------------

    @rule(
        which=WHICH,
        percent=st.sampled_from([1, 30, 50, 99, 100, 100, 101]),
        restocks=st.booleans(),
    )
    def refund(self, which: int, percent: int, restocks: bool) -> None:
        """Give back a part of what was paid, or all of it; the goods come back with all of it."""
        if payment := self.one_of(Payment.objects.exclude(paid_at=None), which):
            amount = (payment.amount * percent / 100).quantize(Decimal("0.01"))
            left = payment.refundable()
            try:
                refunds.request_refund(
                    payment,
                    amount=amount,
                    by=self.operator,
                    restocks=restocks,
                )
            except RefundTooHigh:
                assert amount > left
            else:
                assert amount <= left

    @rule(
        which=WHICH, what=st.sampled_from(["approve", "decline", "retry"]), is_second=st.booleans()
    )
    def decide(self, which: int, what: str, is_second: bool) -> None:
        """An operator decides on a refund, perhaps one that somebody has decided on."""
        if refund := self.one_of(Refund.objects.all(), which):
            by = self.second_operator if is_second else self.operator
            may = {
                "approve": refund.status == "WAITING" and by != refund.requested_by,
                "decline": refund.status == "WAITING",
                "retry": refund.status == "FAILED" and refund.amount <= refund.payment.refundable(),
            }[what]
            try:
                match what:
                    case "approve":
                        refunds.approve(refund, by=by)
                    case "decline":
                        refunds.decline(refund, by=by, reason="no")
                    case "retry":
                        refunds.retry(refund, by=by)
            except Problem:
                assert not may
            else:
                assert may

    @rule()
    def restart(self) -> None:
        """Shop and worker forget what they had in memory."""
        connection.close()
        cache.clear()
        alipay.client.cache_clear()

    @rule(death=st.sampled_from(sorted(DEATHS)))
    def work_and_die(self, death: str) -> None:
        self.is_killed_at_work(death)

    def is_killed_at_work(self, death: str) -> bool:
        with mock.patch.object(*DEATHS[death], side_effect=Killed):
            try:
                self.work()
            except Killed:
                connection.close()
                return True
        return False


def outside_of_any_transaction(answer_of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let no call of Alipay be made inside of a transaction of the database."""

    def checked(call: Any) -> Any:
        assert not connection.in_atomic_block
        return answer_of(call)

    return checked


@pytest.fixture
def shop_beside_alipay(
    sandbox: Sandbox, transactional_db: None, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> Iterator[None]:
    settings.ALIPAY_QR = True
    settings.REFUND_APPROVAL_AMOUNT = Decimal("15.00")
    monkeypatch.setattr(alipay, "_answer_of", outside_of_any_transaction(alipay._answer_of))
    names = ("alice", "bob", "operator", "second")
    alice, bob, *_ = [User.objects.create_user(name) for name in names]
    Day.sandbox, Day.alices, Day.bobs = sandbox, login(alice), login(bob)
    Day.alipays = Client(enforce_csrf_checks=True)
    yield
    sandbox.control("reset", {})


@pytest.mark.usefixtures("shop_beside_alipay")
def test_the_money_is_right_in_any_order_of_steps() -> None:
    run_state_machine_as_test(
        Day,
        settings=hypothesis_settings(
            max_examples=max(1, STEPS // STEPS_A_DAY),
            stateful_step_count=STEPS_A_DAY + 1,  # and the opening
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
@pytest.mark.usefixtures("shop_beside_alipay")
@pytest.mark.parametrize("death", DEATHS)
def test_a_worker_may_die_anywhere(death: str) -> None:
    """Every kind of buyer has been there, money goes back, and no notice has come."""
    day = Day()
    try:
        for story in STORIES:
            day.buy((1, story))
        day.refund(-1, 100, restocks=True)
        day.let_time_pass(1900)
        day.go_wrong(
            {"kind": "reset", "method": "alipay.trade.refund", "when": "after", "times": 1}
        )

        assert day.is_killed_at_work(death)

        day.the_books_agree()
        day.close_the_day()
    finally:
        day.traveller.stop()

    assert set(Order.objects.values_list("status", flat=True)) >= {"PAID", "CANCELLED"}
    assert set(Refund.objects.values_list("status", flat=True)) == {"DONE"}
