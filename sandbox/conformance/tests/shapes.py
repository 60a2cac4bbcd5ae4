"""What answers look like: values that differ from run to run are told by their form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Like:
    """Equal to every text of this form."""

    form: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self.form, other, re.DOTALL) is not None


STAMP = Like(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
TRADE_NO = Like(r"20\d{6}22001\d{15}")
USER_ID = Like(r"2088\d{12}")
MASKED = Like(r".{3}\*{3}@sandbox\.com")
SIGNATURE = Like(r"[A-Za-z0-9+/]{342}==")

DONE = {"code": "10000", "msg": "Success"}


def refused(sub_code: str, words: str | Like, code: str = "40004", **more: Any) -> dict[str, Any]:
    """A node that says no."""
    msg = {
        "40002": "Invalid Arguments",
        "40004": "Business Failed",
        "40006": "Insufficient Permissions",
    }[code]
    return {"code": code, "msg": msg, "sub_code": sub_code, "sub_msg": words, **more}


def payment_notice(app_id: str, *, with_logon_id: bool) -> dict[str, Any]:
    """The fields of a payment's notice, but for those that the merchant has given."""
    ten = ("total_amount", "receipt_amount", "invoice_amount", "buyer_pay_amount")
    return {
        "app_id": app_id,
        "auth_app_id": app_id,
        "buyer_id": USER_ID,
        **({"buyer_logon_id": MASKED} if with_logon_id else {}),
        "charset": "utf-8",
        "fund_bill_list": '[{"amount":"10.00","fundChannel":"ALIPAYACCOUNT"}]',
        "gmt_create": STAMP,
        "gmt_payment": STAMP,
        "notify_id": Like(r"20\d{6}00222\d{21}"),
        "notify_time": STAMP,
        "notify_type": "trade_status_sync",
        "point_amount": "0.00",
        "seller_id": USER_ID,
        "sign": SIGNATURE,
        "sign_type": "RSA2",
        "trade_no": TRADE_NO,
        "trade_status": "TRADE_SUCCESS",
        "version": "1.0",
        **dict.fromkeys(ten, "10.00"),
    }
