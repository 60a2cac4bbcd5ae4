"""What Alipay tells a merchant: the fields of a notice and of a return, and when a notice is made.

A notice is a row written in the same transaction as the change it tells of; ``notifier`` sends it.
Its fields are settled here once; ``notify_time`` and the signature are those of each attempt.
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timedelta

from django.db import transaction

from . import keyring, wire
from .behaviour import rules
from .clock import clock, schedule_changed, stamp
from .models import Attempt, Notice, Refund, Trade, TradeProduct, TradeStatus
from .money import yuan

CHANCE = secrets.SystemRandom()


def announce(
    trade: Trade, *, at: datetime, refund: Refund | None = None, trigger: str = ""
) -> Notice | None:
    """Make the notice of a trade's present state, if this merchant is told of such a thing.

    ``trigger`` stands in for the state where a payment finishes the trade at once.
    """
    status = trigger or trade.status
    if not trade.notify_url or not rules.behaviour.announces(trade.product, status):
        return None
    policy = rules.policy
    wait = policy.delay + (CHANCE.uniform(0, 3) if policy.shuffle else 0)
    notice = Notice(
        notify_id=new_notify_id(at),
        trade=trade,
        trade_status=trade.status,
        url=trade.notify_url,
        made_at=at,
        due_at=at + timedelta(seconds=wait),
        copies=int(policy.duplicate),
    )
    notice.fields = state_fields(trade, notify_id=notice.notify_id, refund=refund)
    if policy.drop:
        notice.state, notice.due_at = Notice.State.DROPPED, None
        if policy.drop is not True:
            rules.change_policy(policy.model_copy(update={"drop": policy.drop - 1}))
    notice.save(force_insert=True)
    transaction.on_commit(schedule_changed.set)
    return notice


def new_notify_id(at: datetime) -> str:
    """34 digits: date, 00222, time, fifteen more."""
    day, _, time = stamp(at).partition(" ")
    return f"{day.replace('-', '')}00222{time.replace(':', '')}{secrets.randbelow(10**15):015d}"


def state_fields(trade: Trade, *, notify_id: str, refund: Refund | None = None) -> dict[str, str]:
    """Tell a trade's state, without the time and the signature of the attempt."""
    merchant, buyer = trade.merchant, trade.opened_by
    fields = {
        "notify_type": "trade_status_sync",
        "notify_id": notify_id,
        "charset": trade.charset,
        "version": "1.0",
        "app_id": merchant.app_id,
        "auth_app_id": merchant.app_id,
        "trade_no": trade.trade_no or "",
        "out_trade_no": trade.out_trade_no,
        "trade_status": trade.status,
        "total_amount": trade.total_amount,
        "seller_id": merchant.seller_id,
        "subject": trade.subject,
        "body": trade.extras.get("body", ""),
        "passback_params": trade.extras.get("passback_params", ""),
        "gmt_create": stamp(trade.created_at),
        "gmt_payment": stamp(trade.paid_at),
        "gmt_close": stamp(trade.closed_at),
    }
    if rules.behaviour.buyer_identity == "open_id":
        fields["buyer_open_id"] = open_id(buyer.user_id)
    else:
        fields["buyer_id"] = buyer.user_id
    if trade.product != TradeProduct.PAGE:
        fields["buyer_logon_id"] = buyer.masked
    if refund is not None:
        fields |= {
            "refund_fee": yuan(refund.total_so_far),
            "gmt_refund": stamp(refund.at, milliseconds=True),
            "out_biz_no": out_biz_no(trade, refund),
        }
    elif trade.status in (TradeStatus.TRADE_SUCCESS, TradeStatus.TRADE_FINISHED):
        fields |= {
            "receipt_amount": trade.total_amount,
            "invoice_amount": trade.total_amount,
            "buyer_pay_amount": trade.total_amount,
            "point_amount": "0.00",
            "fund_bill_list": json.dumps(
                [{"amount": trade.total_amount, "fundChannel": "ALIPAYACCOUNT"}],
                separators=(",", ":"),
            ),
        }
    return {name: value for name, value in fields.items() if value != ""}


def open_id(user_id: str) -> str:
    """The buyer's name for newer apps: opaque, and the same every time."""
    return f"0{user_id[::-1]}openid{user_id}"


def out_biz_no(trade: Trade, refund: Refund) -> str:
    """The refund's own number; what stands in for it when none was sent is a setting."""
    if refund.out_request_no != trade.out_trade_no:
        return refund.out_request_no
    return str(getattr(trade, rules.behaviour.out_biz_no))


def forged_fields(trade: Trade) -> dict[str, str]:
    """The notice of a payment, for somebody to falsify."""
    now = clock.now()
    return {**state_fields(trade, notify_id=new_notify_id(now)), "notify_time": stamp(now)}


def unsigned_fields(notice: Notice, at: datetime) -> dict[str, str]:
    """The notice as of that instant: exactly what is signed."""
    return {**notice.fields, "notify_time": stamp(at)}


def signed_fields(notice: Notice, at: datetime) -> dict[str, str]:
    """The notice as it is sent at that instant: with its time and its signature."""
    trade = notice.trade
    key = keyring.alipay_key(trade.merchant.app_id)
    return wire.signed(unsigned_fields(notice, at), key, charset=trade.charset)


def last_sent(notice: Notice) -> dict[str, str]:
    """The notice as it was sent last, or as it would be sent now."""
    attempt: Attempt | None = notice.attempts.last()
    return signed_fields(notice, attempt.at if attempt else clock.now())


def return_fields(trade: Trade) -> dict[str, str]:
    """What the buyer's browser carries back to ``return_url``: no status, no buyer."""
    fields = {
        "charset": trade.charset,
        "out_trade_no": trade.out_trade_no,
        "method": f"alipay.trade.{trade.product}.pay.return",
        "total_amount": trade.total_amount,
        "trade_no": trade.trade_no or "",
        "auth_app_id": trade.merchant.app_id,
        "version": "1.0",
        "app_id": trade.merchant.app_id,
        "seller_id": trade.merchant.seller_id,
        "timestamp": stamp(clock.now()),
    }
    return wire.signed(fields, keyring.alipay_key(trade.merchant.app_id), charset=trade.charset)


def return_address(trade: Trade) -> str:
    """``return_url`` with the signed fields appended; "" if the merchant gave none."""
    if not trade.return_url or trade.product == TradeProduct.PRECREATE:
        return ""
    joint = "&" if "?" in trade.return_url else "?"
    return f"{trade.return_url}{joint}{wire.form(return_fields(trade), trade.charset)}"
