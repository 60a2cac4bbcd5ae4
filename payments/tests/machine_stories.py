"""What may happen on a day of the machine: purchases, faults, forgeries, deaths."""

from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
from cryptography.hazmat.primitives.asymmetric import rsa

from orders.models import Order
from payments import journal
from payments.models.payment import Payment
from payments.models.refund import Refund

PRICE = Decimal("9.90")
STOCK = 12
STRANGER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

# Which of several: the first, the latest, the one before...
WHICH = st.integers(min_value=-3, max_value=2)
SPANS = st.sampled_from([20, 20, 120, 120, 600, 1900, 7200])  # seconds

# What a buyer does after buying; whoever stops half-way may go on later.
WAY = ["begin_to_pay", "go_to_the_cashier", "log_in_there", "pay", "come_back"]
OTHER_WAYS = ["begin_by_phone", "show_qr"]
ANY_STEP = [*WAY, *OTHER_WAYS, "cancel", "cancel", "be_a_stranger"]
STORIES = {
    "looks": [],
    "begins": WAY[:1],
    "stands there": WAY[:2],
    "logs in": WAY[:3],
    "pays": WAY[:4],
    "comes back": WAY,
    "cancels": [*WAY[:3], "cancel"],
    "cancels, yet pays": [*WAY[:2], "cancel", "pay"],
    "pays twice": [*WAY[:2], "forget_how_it_began", *WAY[:4]],
    "pays by phone": ["begin_by_phone", *WAY[1:]],
    "pays by QR code": ["show_qr", "pay"],
    "goes on by phone": [*WAY[:3], "begin_by_phone", "go_to_the_cashier", "pay"],
    "pays in every way": ["show_qr", "begin_by_phone", *WAY[:4]],
}
PURCHASES = st.tuples(st.integers(min_value=1, max_value=4), st.sampled_from(list(STORIES)))

FAULTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(
            [
                "timeout",
                "http_500",
                "html",
                "reset",
                "unsigned",
                "wrong_signature",
                "system_error",
                "error_response",
            ]
        ),
        "when": st.sampled_from(["before", "after"]),
        "method": st.sampled_from(
            [
                f"alipay.trade.{api}"
                for api in ("query", "close", "refund", "fastpay.refund.query", "precreate")
            ]
        ),
        "times": st.sampled_from([1, 1, 2]),
    }
)
NO_MONEY = {
    "kind": "refuse",
    "method": "alipay.trade.refund",
    "sub_code": "ACQ.SELLER_BALANCE_NOT_ENOUGH",
    "times": 1,
}

# What is false about a forged notice, and the check that it fails.
FORGERIES: dict[str, tuple[dict[str, Any], str]] = {
    "by a stranger": ({"key": STRANGER_KEY}, "sign"),
    "unsigned": ({"sign_type": None}, "sign_type"),
    "a fen less": ({"total_amount": "0.01"}, "total_amount"),
    "of another seller": ({"seller_id": "2088000000000009"}, "seller_id"),
    "of another app": ({"app_id": "9021000000000009"}, "app_id"),
    "of an unknown payment": ({"out_trade_no": "20260101UNKNOWN"}, "out_trade_no"),
    "not yet paid": ({"trade_status": "WAIT_BUYER_PAY"}, "trade_status"),
    "of no known state": ({"trade_status": "TRADE_PENDING"}, "trade_status"),
    "of a refund": ({"refund_fee": "1.00"}, "refund"),
}

# Where a worker dies: before this is written down, whatever Alipay has done by then.
DEATHS: dict[str, tuple[Any, str]] = {
    "before it writes down a payment": (Payment, "settle"),
    "before it writes down a close": (Payment, "close"),
    "before it cancels": (Order, "cancel"),
    "between cancelling and the stock": (Order, "restock"),
    "before it writes down a refund": (Refund, "mark_done"),
    "between the refund and its order": (Payment, "refunded"),
    "before it writes down what is unclear": (Refund, "note"),
    "between the money and the books": (journal, "book"),
    "before it writes the history": (Order, "record"),
}
