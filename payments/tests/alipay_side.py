"""Alipay's part in the tests: signed notices and returns, made without the SDK."""

import base64
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from core.tests import environment
from orders.models import Order
from payments import alipay
from payments.models.payment import Payment

TRADE_NO = "2026112222001400000000000001"


def sign(fields: dict[str, str], *, key: rsa.RSAPrivateKey = environment.ALIPAY_KEY) -> str:
    """Sign as Alipay signs a notice: RSA2 over the sorted fields, without sign and sign_type."""
    signed = sorted((name, value) for name, value in fields.items() if name != "sign_type")
    text = "&".join(f"{name}={value}" for name, value in signed)
    signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signature).decode()


def notice(
    payment: Payment, *, key: rsa.RSAPrivateKey = environment.ALIPAY_KEY, **changes: Any
) -> dict[str, str]:
    """Return the fields of a signed payment notice; ``None`` leaves a field out."""
    fields = {
        "notify_time": "2026-11-22 20:00:05",
        "notify_type": "trade_status_sync",
        "notify_id": "2026112200222200005000000000000001",
        "charset": "utf-8",
        "version": "1.0",
        "sign_type": "RSA2",
        "app_id": environment.APP_ID,
        "auth_app_id": environment.APP_ID,
        "trade_no": TRADE_NO,
        "out_trade_no": payment.out_trade_no,
        "trade_status": "TRADE_SUCCESS",
        "total_amount": str(payment.amount),
        "receipt_amount": str(payment.amount),
        "buyer_id": "2088000000000002",
        "seller_id": environment.SELLER_ID,
        "subject": "龙井 tea x1 + 茶",
        "gmt_create": "2026-11-22 19:59:00",
        "gmt_payment": "2026-11-22 20:00:00",
        "fund_bill_list": '[{"amount":"9.90","fundChannel":"ALIPAYACCOUNT"}]',
    }
    return signed(fields | changes, key=key)


def returned(payment: Payment, **changes: Any) -> dict[str, str]:
    """Return the signed query string with which Alipay sends the buyer back."""
    fields = {
        "charset": "utf-8",
        "out_trade_no": payment.out_trade_no,
        "method": "alipay.trade.page.pay.return",
        "total_amount": str(payment.amount),
        "trade_no": TRADE_NO,
        "auth_app_id": environment.APP_ID,
        "version": "1.0",
        "app_id": environment.APP_ID,
        "sign_type": "RSA2",
        "seller_id": environment.SELLER_ID,
        "timestamp": "2026-11-22 20:00:06",
    }
    return signed(fields | changes)


def signed(
    fields: dict[str, Any], *, key: rsa.RSAPrivateKey = environment.ALIPAY_KEY
) -> dict[str, str]:
    kept = {name: value for name, value in fields.items() if value is not None}
    return {**kept, "sign": sign(kept, key=key)}


def paid(order: Order, **changes: Any) -> Payment:
    """Let an order be paid, as the first notice of it does."""
    payment = Payment.objects.attempt(order)
    payment.settle(alipay.read_trade(notice(payment, **changes)))
    payment.refresh_from_db()
    return payment
