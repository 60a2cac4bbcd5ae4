"""What is so after every step of the machine, whatever happened."""

from decimal import Decimal
from typing import Any

from orders.models import Event, Order
from payments.journal import JournalEntry
from payments.models.payment import Payment
from payments.models.refund import Refund

NEXT_OF_ORDER = {"UNPAID": {"PAID", "CANCELLED"}, "PAID": {"REFUNDED"}}
NEXT_OF_PAYMENT = {"PENDING": {"PAID", "CLOSED"}, "CLOSED": {"PAID"}, "PAID": {"REFUNDED"}}
NEXT_OF_REFUND = {
    "WAITING": {"REQUESTED", "DECLINED"},
    "REQUESTED": {"UNKNOWN", "DONE", "FAILED"},
    "UNKNOWN": {"DONE", "FAILED"},
    "FAILED": {"REQUESTED", "WAITING"},
}

# In which state the last of these lines leaves what it is about.
ORDER_AFTER = {
    "PLACED": "UNPAID",
    "PAID": "PAID",
    "CANCELLED": "CANCELLED",
    "EXPIRED": "CANCELLED",
    "REFUNDED": "REFUNDED",
}
REFUND_AFTER = {
    "REFUND_REQUESTED": {"REQUESTED", "WAITING"},
    "REFUND_APPROVED": {"REQUESTED"},
    "REFUND_DECLINED": {"DECLINED"},
    "REFUND_RETRIED": {"REQUESTED", "WAITING"},
    "REFUND_UNCLEAR": {"UNKNOWN"},
    "REFUND_DONE": {"DONE"},
    "REFUND_FAILED": {"FAILED"},
}


def may_follow(before: str, now: str, steps: dict[str, set[str]]) -> bool:
    """Whether one state leads to another, in however many steps."""
    reached = {before}
    while more := set().union(*(steps.get(each, set()) for each in reached)) - reached:
        reached |= more
    return now in reached


def assert_paid_on_evidence(payment: Payment, trade: Any) -> None:
    """The price is the server's, and no payment is paid without Alipay's having the money."""
    assert payment.amount == payment.order.total_price
    if trade:
        assert Decimal(trade["total_amount"]) == payment.amount
    if payment.status in ("PAID", "REFUNDED"):
        assert trade
        assert trade["gmt_payment"]
        assert payment.trade_no == trade["trade_no"]


def assert_refunded_once(payment: Payment, refunds_: list[Refund], trade: Any) -> None:
    """What Alipay gave back was asked for before, under that number, and no more than was paid."""
    given_back = {
        refund["out_request_no"]: Decimal(refund["refund_amount"])
        for refund in (trade["refunds"] if trade else [])
    }
    asked = {refund.out_request_no: refund for refund in refunds_}
    for number, amount in given_back.items():
        if number in asked or not number.startswith("console"):  # of which nobody may know yet
            assert asked[number].amount == amount
            assert asked[number].status not in ("WAITING", "FAILED", "DECLINED")
    for number, refund in asked.items():
        assert refund.status != "DONE" or number in given_back
        assert (refund.due_at is None) == (not refund.is_open)
    own = [refund for refund in refunds_ if refund.cause != "CONSOLE"]
    in_vain = ("FAILED", "DECLINED")
    assert sum(refund.amount for refund in own if refund.status not in in_vain) <= payment.amount
    all_is_back = sum(refund.amount for refund in refunds_ if refund.status == "DONE")
    assert all_is_back <= payment.amount
    assert (payment.status == "REFUNDED") == (all_is_back == payment.amount)


def assert_history_ends_where_we_are(orders: list[Order], refunds_: list[Refund]) -> None:
    """What was written down of an order or a refund leads to the state in which it is."""
    lines = list(Event.objects.order_by("id").values_list("order_id", "what", "about"))
    after = {order: ORDER_AFTER[what] for order, what, _ in lines if what in ORDER_AFTER}
    assert after == {order.pk: order.status for order in orders}
    ends = {(order, about): what for order, what, about in lines if what in REFUND_AFTER}
    for refund in refunds_:
        what = ends[refund.payment.order_id, refund.out_request_no]
        assert refund.status in REFUND_AFTER[what], what


def assert_booked_once(payments: list[Payment], refunds_: list[Refund]) -> None:
    """A paid payment is a sale or late money, a refund that is done is its way back; both once."""
    booked = JournalEntry.objects.values_list("what", "payment", "refund", "amount")
    wanted: list[tuple[str, int, int | None, Decimal]] = []
    for payment in payments:
        is_late = any(
            refund.is_late_money for refund in refunds_ if refund.payment_id == payment.pk
        )
        if payment.status in ("PAID", "REFUNDED"):
            what = "LATE_IN" if is_late else "SALE"
            wanted.append((what, payment.pk, None, payment.amount))
        for refund in refunds_:
            if refund.payment_id == payment.pk and refund.status == "DONE":
                what = "LATE_OUT" if is_late else "REFUND"
                wanted.append((what, payment.pk, refund.pk, refund.amount))
    assert sorted(booked, key=str) == sorted(wanted, key=str)


def assert_paid_once(order: Order, payments: list[Payment], late: set[int]) -> None:
    """An order keeps one payment; any other is late, and so is each one of a cancelled order."""
    kept = [
        payment
        for payment in payments
        if payment.status in ("PAID", "REFUNDED") and payment.pk not in late
    ]
    if order.status in ("PAID", "REFUNDED"):
        (payment,) = kept
        assert (order.transaction_id, order.paid_at) == (payment.trade_no, payment.paid_at)
        assert order.is_refunded == (payment.status == "REFUNDED")
    else:
        assert kept == []
        assert (order.transaction_id, order.paid_at) == ("", None)
