"""Whatever goes wrong with whichever call: what the shop does, and that the money is right.

A row is a fault, a column a call, and the word in the cell is what the shop makes of it. Then all
is well again, whoever has to ask asks again, and to the fen the books are those of the sandbox.

    later    no QR code is shown, and the buyer is told to try again in a minute
    shown    the QR code is shown
    unclear  the state stays as it was, is written down as unclear, and is due to be asked again;
             a buyer who came back is told that it is being processed
    paid     the order is paid, and the buyer is told so
    held     the order stays unpaid and keeps its stock; the buyer is told to cancel it later
    freed    the order is cancelled, and its stock is back
    done     the money went back, once
    settled  the notice is the first to tell of the payment: the order is paid
    again    the same, at the second call: Alipay heard no ``success`` and called again
    twice    the order is paid by the first call, and Alipay calls again: nothing changes
    known    the worker, who asked, was first: the notices change nothing
    never    no notice comes: the worker, who asks, pays the order
    refused  nothing is booked, the answer is ``failure``; the genuine notice pays the order
"""

import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client

from conftest import Sandbox, make_order, make_product
from orders.models import Order
from payments import alipay, journal
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.refunds import request_refund, send
from payments.tests import between
from payments.tests.between import Line, line_to
from payments.tests.fault_table import FAULTS_OF_THE_SANDBOX, cells
from payments.tests.test_expiry import let_time_pass, tick
from products.models import Product
from users.models import User

pytestmark = pytest.mark.slow

FAULTS_OF_THE_LINE: dict[str, Callable[[], list[between.Spoil]]] = {
    "delayed": lambda: [between.delayed],
    "duplicated": lambda: [between.duplicated],
    "shuffled": between.shuffled,
    "dropped": lambda: [between.dropped],
}

TOTAL = Decimal("19.80")
PART = Decimal("5.00")
SOON = timedelta(seconds=20)


@dataclass
class Case:
    """Alice's order of two teas, and everybody who has to do with it."""

    sandbox: Sandbox
    browser: Client
    operator: User
    order: Order
    refunds: list[Refund] = field(default_factory=list)

    @property
    def payment(self) -> Payment:
        return Payment.objects.get()

    def at_alipay(self, step: str) -> None:
        self.sandbox.control(f"trades/{self.order.order_id}/{step}", {})


@pytest.fixture
def case(
    alice: User, alices: Client, operator: User, sandbox: Sandbox, settings: Any
) -> Iterator[Case]:
    settings.ALIPAY_QR = True
    sandbox.control("notify-policy", {"drop": True}, method="PUT")
    yield Case(sandbox, alices, operator, make_order(alice, make_product(), quantity=2))
    sandbox.control("notify-policy", {}, method="PUT")


# -- what the shop asks of Alipay ------------------------------------------------------------------


class Call:
    """The story of one call: what is there before, the call itself, and how it ends."""

    method = ""

    def begin(self, case: Case, count: int) -> None:
        """Bring it about that the call is the next; with two at once for a ``count`` of 2."""

    def act(self, case: Case, number: int) -> str:
        """Make the call, and return the table's word for what came of it."""
        raise NotImplementedError

    def end(self, case: Case) -> None:
        """Nothing is wrong any more; whoever has to ask asks again."""
        let_time_pass(SOON)
        tick()


def go_to_pay(case: Case, **headers: str) -> None:
    address = case.browser.post(f"/order/payment/{case.order.order_id}/", headers=headers)
    urllib.request.urlopen(address["Location"], timeout=20).close()


def is_unclear(row: Payment | Refund) -> bool:
    return bool(row.due_at and row.unclear_since)


class Precreate(Call):
    method = "alipay.trade.precreate"

    def act(self, case: Case, number: int) -> str:
        address = f"/payments/{case.order.order_id}/qr/"
        told = case.browser.post(address, headers={"Accept": "application/json"})
        assert Order.objects.get().is_unpaid
        return {(503, False): "later", (303, True): "shown"}[
            told.status_code, bool(case.payment.qr_code)
        ]

    def end(self, case: Case) -> None:
        assert self.act(case, 0) == "shown"
        case.at_alipay("pay")
        super().end(case)
        assert_money(case, "PAID", kept=TOTAL)


class Query(Call):
    method = "alipay.trade.query"

    def begin(self, case: Case, count: int) -> None:
        go_to_pay(case)
        case.at_alipay("pay")

    def act(self, case: Case, number: int) -> str:
        """The buyer comes back, and the shop asks."""
        address = case.sandbox.trade(case.order.order_id)["return_address"]
        told = case.browser.get(f"/payments/alipay/return/?{urlsplit(address).query}")
        order, payment = Order.objects.get(), case.payment
        return {
            ("processing", "UNPAID", "PENDING", True): "unclear",
            ("success", "PAID", "PAID", False): "paid",
        }[told.context["outcome"], order.status, payment.status, is_unclear(payment)]

    def end(self, case: Case) -> None:
        super().end(case)
        assert_money(case, "PAID", kept=TOTAL)


class Close(Call):
    method = "alipay.trade.close"

    def begin(self, case: Case, count: int) -> None:
        go_to_pay(case)
        case.at_alipay("scan")

    def act(self, case: Case, number: int) -> str:
        """The buyer cancels."""
        told = case.browser.post(f"/api/v1/orders/{case.order.order_id}/cancel")
        return {200: "freed", 503: "held"}[told.status_code]

    def is_held(self) -> bool:
        return (Order.objects.get().status, Product.objects.get().stock) == ("UNPAID", 8)

    def end(self, case: Case) -> None:
        let_time_pass()
        tick()
        assert case.sandbox.trade(case.order.order_id)["trade_status"] == "TRADE_CLOSED"
        assert case.payment.status == "CLOSED"
        assert_money(case, "CANCELLED", kept=Decimal("0.00"))


class RefundCall(Call):
    method = "alipay.trade.refund"

    def begin(self, case: Case, count: int) -> None:
        Query().begin(case, 1)
        assert Query().act(case, 0) == "paid"
        for _ in range(count):
            refund = request_refund(case.payment, amount=PART, by=case.operator)
            case.refunds.append(refund)

    def act(self, case: Case, number: int) -> str:
        """The worker sends it."""
        refund = case.refunds[number]
        send(refund)
        refund = Refund.objects.get(pk=refund.pk)
        return {("UNKNOWN", True): "unclear", ("DONE", False): "done"}[
            refund.status, is_unclear(refund)
        ]

    def end(self, case: Case) -> None:
        super().end(case)
        given_back = case.sandbox.trade(case.order.order_id)["refunds"]
        assert {refund.status for refund in Refund.objects.all()} == {"DONE"}
        assert {each["out_request_no"]: each["refund_amount"] for each in given_back} == {
            refund.out_request_no: str(PART) for refund in case.refunds
        }
        assert len(given_back) == len(case.refunds)
        assert_money(case, "PAID", kept=TOTAL - PART * len(case.refunds))


class RefundQuery(RefundCall):
    """The money went back, but the answer was lost; so the next try must ask."""

    method = "alipay.trade.fastpay.refund.query"

    def begin(self, case: Case, count: int) -> None:
        super().begin(case, count)
        for refund in case.refunds:
            case.sandbox.fault("reset", "refund", when="after")
            send(refund)
        assert set(Refund.objects.values_list("status", flat=True)) == {"UNKNOWN"}


CALLS = {
    "precreate": Precreate(),
    "query": Query(),
    "close": Close(),
    "refund": RefundCall(),
    "refund_query": RefundQuery(),
}


def assert_money(case: Case, status: str, *, kept: Decimal) -> None:
    """To the fen, what the shop says is what Alipay holds; and the stock is where the money is."""
    order, trade = Order.objects.get(), case.sandbox.trade(case.order.order_id)
    is_paid = trade["gmt_payment"] is not None
    assert (Decimal(trade["total_amount"]) if is_paid else 0) - Decimal(trade["refund_fee"]) == kept
    assert journal.balance(journal.Account.ALIPAY) == kept
    assert order.status == status
    assert Product.objects.get().stock == (10 if order.is_cancelled else 8)
    for row in [*Payment.objects.all(), *Refund.objects.all()]:
        assert (row.due_at, row.unclear_since) == (None, None)


def calls_of_the_sandbox() -> Iterator[Any]:
    for (api, fault), word in cells().items():
        if api != "notify" and fault in FAULTS_OF_THE_SANDBOX:
            kind, whens = FAULTS_OF_THE_SANDBOX[fault]
            for when in whens:
                name = f"{api}-{fault}" + (f" {when}" if len(whens) > 1 else "")
                yield pytest.param(api, kind, when, word, id=name)


@pytest.mark.parametrize(("api", "kind", "when", "word"), list(calls_of_the_sandbox()))
def test_a_call_whose_answer_is_bad(case: Case, api: str, kind: str, when: str, word: str) -> None:
    call = CALLS[api]
    call.begin(case, 1)
    case.sandbox.fault(kind, call.method.removeprefix("alipay.trade."), when=when)

    assert call.act(case, 0) == word
    (fault,) = case.sandbox.control("faults")["items"]
    assert fault["used"] == 1
    if isinstance(call, Close):
        assert call.is_held()

    call.end(case)


def calls_on_the_line() -> Iterator[Any]:
    for (api, fault), word in cells().items():
        if api != "notify" and fault in FAULTS_OF_THE_LINE:
            two = [pytest.mark.django_db(transaction=True)] if fault == "shuffled" else []
            yield pytest.param(api, fault, word, id=f"{api}-{fault}", marks=two)


@pytest.mark.parametrize(("api", "fault", "word"), list(calls_on_the_line()))
def test_a_call_that_fares_ill_on_its_way(
    case: Case, settings: Any, api: str, fault: str, word: str
) -> None:
    call, spoils = CALLS[api], FAULTS_OF_THE_LINE[fault]()
    call.begin(case, len(spoils))
    if len(spoils) > 1:
        settings.ALIPAY_TIMEOUT = 3 * between.PATIENCE
    with line_to(case.sandbox.address) as line:
        settings.ALIPAY_GATEWAY_URL = f"http://{line.host}/gateway.do"
        alipay.client.cache_clear()
        line.spoil(*spoils, method=call.method)

        assert words_of(call, case, len(spoils)) == word
        assert line.is_clean()

        call.end(case)


def words_of(call: Call, case: Case, count: int) -> str:
    """Act so many times at once; return what came of it, in a word if it is one."""
    if count == 1:
        return call.act(case, 0)

    def act(number: int) -> str:
        try:
            return call.act(case, number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return "+".join(sorted(set(pool.map(act, range(count)))))


# -- what Alipay tells the shop --------------------------------------------------------------------

# What spoils the line from Alipay to the shop, what Alipay itself does, or whoever speaks for it.
LINES = {
    "time-out before": between.swallowed,
    "time-out after": between.answer_swallowed,
    "500": between.answer_500,
    "HTML": between.answer_html,
    "reset": between.answer_reset,
}
FORGERIES: dict[str, dict[str, Any]] = {
    "unsigned": {"sign_with": "none"},
    "wrong signature": {"sign_with": "stranger"},
    "SYSTEM_ERROR": {"fields": {"trade_status": "SYSTEM_ERROR"}},
}
POLICIES: dict[str, dict[str, Any]] = {
    "delayed": {"delay": 0.7},
    "duplicated": {"duplicate": True},
    "shuffled": {"shuffle": True},
    "dropped": {"drop": True},
}


@dataclass
class Told:
    """What there is to say of how the notices came."""

    verdicts: list[str]
    calls: int

    def word(self) -> str:
        return {
            (("SETTLED",), 1): "settled",
            (("SETTLED",), 2): "again",
            (("SETTLED", "REPEATED"), 2): "twice",
            (("REPEATED", "REFUND"), 2): "known",
            (("REFUND", "REPEATED"), 2): "known",
            (("REPEATED",), 1): "known",
            (("REFUSED", "SETTLED"), 2): "refused",
            ((), 0): "never",
        }[tuple(self.verdicts), self.calls]


@pytest.fixture
def alipay_calls_again_soon(sandbox: Sandbox) -> Iterator[None]:
    impatient = {"ladder": [0.1] * 50, "notify_timeout": 2}
    sandbox.control("settings", impatient, method="PATCH")
    yield
    sandbox.control("settings", {"ladder": "A", "notify_timeout": 5}, method="PATCH")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("alipay_calls_again_soon")
@pytest.mark.parametrize(
    ("fault", "word"),
    [(fault, word) for (api, fault), word in cells().items() if api == "notify"],
)
def test_a_notice_that_fares_ill(shop: str, case: Case, fault: str, word: str) -> None:
    with line_to(shop) as line:
        go_to_pay(case, host=line.host)  # from which notify_url is made
        if fault in LINES:
            line.spoil(LINES[fault])
        policy = {"drop": True} if fault in FORGERIES else POLICIES.get(fault, {})
        case.sandbox.control("notify-policy", policy, method="PUT")
        case.at_alipay("pay")
        if fault in FORGERIES:
            forge(case, FORGERIES[fault])
        kept = TOTAL
        if fault in ("delayed", "shuffled", "dropped"):
            assert not Notice.objects.filter(verdict="SETTLED").exists() or fault == "shuffled"
            let_time_pass(SOON)
            tick()
        if fault == "shuffled":
            kept -= refund_a_part(case)
        told = wait_for_notices(case, line)

    # Of two notices that chase each other, either may be the first.
    assert told.word() == word
    assert_money(case, "PAID", kept=kept)
    assert Notice.objects.filter(verdict="SETTLED").count() <= 1


def forge(case: Case, forgery: dict[str, Any]) -> None:
    """Somebody speaks for Alipay; only then comes the genuine notice."""
    answer = case.sandbox.control("forge", {"out_trade_no": case.order.order_id, **forgery})
    assert (answer["status"], answer["body"]) == (400, "failure")
    assert (Order.objects.get().status, case.payment.status) == ("UNPAID", "PENDING")
    assert journal.JournalEntry.objects.count() == 0
    (genuine,) = notices_of(case)
    case.sandbox.control(f"notices/{genuine['notify_id']}/send", {})


def refund_a_part(case: Case) -> Decimal:
    """So that there are two notices, which can overtake each other."""
    request_refund(case.payment, amount=PART, by=case.operator)
    tick()
    return PART


def notices_of(case: Case) -> list[Any]:
    items: list[Any] = case.sandbox.control(f"notices?out_trade_no={case.order.order_id}")["items"]
    return items


def wait_for_notices(case: Case, line: Line) -> Told:
    """Wait until Alipay has said all that it will say."""
    for _ in range(200):
        if all(each["due_at"] is None for each in notices_of(case)):
            break
        time.sleep(0.05)
    verdicts = Notice.objects.order_by("id").values_list("verdict", flat=True)
    return Told(list(verdicts), line.calls)
