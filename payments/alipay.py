"""Alipay, as the shop knows it: the only file that imports the SDK.

Whatever the SDK may raise becomes one of two things here: Alipay says no (`AlipaySaysNo`, with
its ``sub_code``), or the result is unknown (`ResultUnknown`). What Alipay says of a trade becomes
a `Trade`, and only after its signature has been checked.
"""

import base64
import binascii
import http.client
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from alipay import AliPay
from alipay.exceptions import AliPayException, AliPayValidationError
from alipay.utils import AliPayConfig
from django.conf import settings
from django.utils import timezone

from core import money
from payments.exceptions import AlipaySaysNo, Refused, ResultUnknown

# The SDK brings a handler of its own, which would print each line twice.
logging.getLogger("python-alipay-sdk").handlers.clear()

BEIJING = ZoneInfo("Asia/Shanghai")
SIGN_TYPE = "RSA2"
MAX_SUBJECT = 256
MAX_QR_CODE = 1024

AMOUNT = re.compile(r"\d{1,9}\.\d{1,2}|\d{1,9}", re.ASCII)

# Everything that a call may end in when nobody knows whether it was done: no connection, no
# answer in time, no JSON, no signature or a wrong one.
UNKNOWN = (
    AliPayException,
    AliPayValidationError,
    OSError,
    http.client.HTTPException,
    json.JSONDecodeError,
    UnicodeDecodeError,
    binascii.Error,
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Trade:
    """What Alipay says of a trade, in its own words; times are aware, amounts in yuan."""

    out_trade_no: str
    trade_no: str
    trade_status: str
    total_amount: Decimal
    gmt_payment: datetime | None = None

    @property
    def is_paid(self) -> bool:
        """Whether Alipay holds the buyer's money for us."""
        return self.trade_status in ("TRADE_SUCCESS", "TRADE_FINISHED")


class Client(AliPay):
    """The SDK with the gateway of the settings, and with Beijing time wherever it runs.

    The SDK's own clock is that of the process, which Django cannot set on Windows.
    """

    def __init__(self) -> None:
        super().__init__(
            appid=settings.ALIPAY_APP_ID,
            app_private_key_string=readable_key(settings.ALIPAY_APP_PRIVATE_KEY_STRING),
            alipay_public_key_string=readable_key(settings.ALIPAY_PUBLIC_KEY_STRING),
            sign_type=SIGN_TYPE,
            debug=settings.ALIPAY_DEBUG,
            config=AliPayConfig(timeout=settings.ALIPAY_TIMEOUT),
        )
        self._gateway = settings.ALIPAY_GATEWAY_URL

    def build_body(self, method: str, biz_content: Any = None, **kwargs: Any) -> Any:
        body = super().build_body(method, biz_content, **kwargs)
        return {**body, "timestamp": beijing_text(timezone.now())}


@cache
def client() -> Client:
    """Return the one client of this process: to build it takes as long as twenty calls."""
    return Client()


def readable_key(key: str) -> str | bytes:
    """Return a key as the SDK reads it: PEM as it is; the console's bare base64 decoded.

    Raise ValueError when it is neither.
    """
    key = key.strip()
    if key.startswith("-----"):
        return key
    return base64.b64decode("".join(key.split()), validate=True)


def pay_url(
    kind: str,
    *,
    out_trade_no: str,
    total_amount: Decimal,
    subject: str,
    time_expire: datetime,
    notify_url: str,
    return_url: str,
    quit_url: str,
) -> str:
    """Return the address at which the buyer's browser pays.

    ``kind`` is ``page`` on a computer (``alipay.trade.page.pay``) or ``wap`` on a phone
    (``alipay.trade.wap.pay``), whose buyer can turn back to ``quit_url``.
    """
    wanted = {
        "subject": clean_subject(subject),
        "out_trade_no": out_trade_no,
        "total_amount": money.format_amount(total_amount),
        "time_expire": beijing_text(time_expire),
        "notify_url": notify_url,
        "return_url": return_url,
    }
    if kind == "wap":
        # The SDK's own product_code is a historic one.
        wanted |= {"quit_url": quit_url, "product_code": "QUICK_WAP_WAY"}
        query = client().api_alipay_trade_wap_pay(**wanted)
    else:
        query = client().api_alipay_trade_page_pay(**wanted)
    return f"{settings.ALIPAY_GATEWAY_URL}?{query}"


def precreate(
    *,
    out_trade_no: str,
    total_amount: Decimal,
    subject: str,
    time_expire: datetime,
    notify_url: str,
) -> str:
    """Return what is to be drawn as a QR code, for a wallet to scan (``alipay.trade.precreate``).

    The trade exists only once it was scanned. Raise AlipaySaysNo or ResultUnknown.
    """
    answer = _answer_of(
        lambda: client().api_alipay_trade_precreate(
            subject=clean_subject(subject),
            out_trade_no=out_trade_no,
            total_amount=money.format_amount(total_amount),
            time_expire=beijing_text(time_expire),
            notify_url=notify_url,
        )
    )
    qr_code = answer.get("qr_code", "")
    if not qr_code.startswith(("https://", "http://")) or len(qr_code) > MAX_QR_CODE:
        raise ResultUnknown("qr_code")
    return str(qr_code)


def query(out_trade_no: str) -> Trade:
    """Ask Alipay what became of a trade (``alipay.trade.query``).

    Raise AlipaySaysNo, usually ``ACQ.TRADE_NOT_EXIST`` as long as the buyer has not logged in at
    the cashier, or ResultUnknown.
    """
    answer = _answer_of(lambda: client().api_alipay_trade_query(out_trade_no=out_trade_no))
    return read_trade(answer, paid_at_field="send_pay_date")


def close(out_trade_no: str) -> None:
    """Close a trade that waits for its buyer, so that it cannot be paid (``alipay.trade.close``).

    Raise AlipaySaysNo, as ``ACQ.TRADE_STATUS_ERROR`` when it was paid meanwhile, or ResultUnknown.
    """
    _answer_of(lambda: client().api_alipay_trade_close(out_trade_no=out_trade_no))


def refund(
    *, out_trade_no: str, refund_amount: Decimal, out_request_no: str, refund_reason: str
) -> bool:
    """Give money back (``alipay.trade.refund``); return whether it moved in this very call.

    The same ``out_request_no`` moves it once, however often it is asked for: a repeated call
    answers False, as does one whose outcome only `refunded_amount` can tell. Raise AlipaySaysNo or
    ResultUnknown.
    """
    answer = _answer_of(
        lambda: client().api_alipay_trade_refund(
            refund_amount=money.format_amount(refund_amount),
            out_trade_no=out_trade_no,
            out_request_no=out_request_no,
            refund_reason=refund_reason,
        )
    )
    return answer.get("fund_change") == "Y"


def refunded_amount(*, out_trade_no: str, out_request_no: str) -> Decimal | None:
    """Ask what a refund has moved, in yuan (``alipay.trade.fastpay.refund.query``).

    None means "not received, or not yet", never "failed for good". Raise AlipaySaysNo or
    ResultUnknown.
    """
    answer = _answer_of(
        lambda: client().api_alipay_trade_fastpay_refund_query(
            out_request_no=out_request_no, out_trade_no=out_trade_no
        )
    )
    if answer.get("refund_status") != "REFUND_SUCCESS":
        return None
    amount = answer.get("refund_amount", "")
    if not AMOUNT.fullmatch(amount):
        raise ResultUnknown("refund_amount")
    return Decimal(amount)


def bill_url(day: date) -> str:
    """Return the address of a day's bill (``alipay.data.dataservice.bill.downloadurl.query``).

    It is good for thirty seconds. Raise AlipaySaysNo, ``…BILL_NOT_EXIST`` for a bill that is not
    there yet as for a day on which nothing happened, or ResultUnknown.
    """
    answer = _answer_of(
        lambda: client().server_api(
            "alipay.data.dataservice.bill.downloadurl.query",
            {"bill_type": "trade", "bill_date": day.isoformat()},
        )
    )
    url = str(answer.get("bill_download_url", ""))
    if urlsplit(url).scheme not in ("http", "https"):
        raise ResultUnknown("bill_download_url")
    return url


def _answer_of(call: Any) -> dict[str, Any]:
    """Return the verified node of an answer whose code is 10000."""
    try:
        answer = call()
        code = answer["code"]
    except UNKNOWN as error:
        # The SDK's words may hold the whole answer, which no log should.
        raise ResultUnknown(type(error).__name__) from error
    if code == "10000":
        return answer
    sub_code = answer.get("sub_code", code)
    if code == "20000" or sub_code.endswith("SYSTEM_ERROR"):
        raise ResultUnknown(sub_code)
    raise AlipaySaysNo(sub_code, answer.get("sub_msg", ""))


def verified(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields that Alipay signed, of a notice or a return, without the signature.

    Raise Refused when the signature is not Alipay's, or not RSA2.
    """
    unsigned = dict(fields)
    sign, sign_type = unsigned.pop("sign", ""), unsigned.pop("sign_type", "")
    if sign_type != SIGN_TYPE:
        raise Refused("sign_type")
    try:
        # verify() edits its dict.
        is_genuine = bool(sign) and client().verify(dict(unsigned), sign)
    except (binascii.Error, ValueError, AliPayException):
        is_genuine = False
    if not is_genuine:
        raise Refused("sign")
    return unsigned


def read_trade(fields: Mapping[str, Any], *, paid_at_field: str = "gmt_payment") -> Trade:
    """Read a trade from fields whose signature has been checked; raise Refused if one is odd."""
    try:
        if not AMOUNT.fullmatch(fields["total_amount"]):
            raise Refused("total_amount", "not an amount")
        paid_at = fields.get(paid_at_field)
        return Trade(
            out_trade_no=fields["out_trade_no"],
            trade_no=fields["trade_no"],
            trade_status=fields["trade_status"],
            total_amount=Decimal(fields["total_amount"]),
            gmt_payment=from_beijing(paid_at) if paid_at else None,
        )
    except KeyError as missing:
        raise Refused(missing.args[0], "missing") from None
    except (TypeError, ValueError):
        raise Refused("fields", "malformed") from None


def clean_subject(subject: str) -> str:
    """Drop what Alipay refuses in a subject, and braces, at which the SDK's own check fails."""
    kept = "".join(
        " " if sign in "/=&{}<>\"'\\" or not sign.isprintable() or ord(sign) > 0xFFFF else sign
        for sign in subject
    )
    return " ".join(kept.split())[:MAX_SUBJECT]


def beijing_text(moment: datetime) -> str:
    """Write a time as Alipay does: ``2026-01-02 03:04:05``, Beijing."""
    return moment.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def from_beijing(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
