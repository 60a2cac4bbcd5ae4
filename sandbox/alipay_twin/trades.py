"""The life of a trade, and its money.

    (asked for) --opened--> WAIT_BUYER_PAY --paid--> TRADE_SUCCESS --window over--> TRADE_FINISHED
                                  |                        |
                       time out, close, cancel    refunded completely
                                  v                        v
                             TRADE_CLOSED <----------------'

One state machine stands behind the PC page, the mobile page and the QR code. A merchant's request
is remembered at once, but the trade itself exists only when a buyer has opened it: until then
``query`` and ``close`` know nothing of it. Every function here runs inside ``state.change()``.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from .accounts import accounts
from .behaviour import rules
from .clock import BEIJING, clock, schedule_changed, stamp
from .models import Buyer, LedgerEntry, Merchant, Refund, Trade, TradeProduct, TradeStatus
from .money import part, share, yuan
from .notices import announce
from .refusals import Refusal
from .state import change

LONGEST_WAIT = timedelta(days=15)
QR_LIFE = timedelta(hours=2)
DEFAULT_TIMEOUT = {"page": "15d", "wap": "15d", "precreate": "3h"}
TIMEOUT = re.compile(r"([1-9]\d{0,4})([mhd])", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a merchant asks for."""

    product: str
    out_trade_no: str
    total: int
    subject: str
    extras: dict[str, str] = field(default_factory=dict)
    notify_url: str = ""
    return_url: str = ""
    quit_url: str = ""
    charset: str = "utf-8"
    time_expire: datetime | None = None
    timeout: str = ""
    qr_timeout: str = ""


# -- asking, opening, paying -----------------------------------------------------------------------


def request_trade(merchant: Merchant, terms: Terms) -> Trade:
    """Remember that a merchant asks for a trade; or reopen one that was asked for before.

    Until a buyer opens it, the later request wins. Afterwards amount and subject must be the same.
    """
    trade = find(merchant, out_trade_no=terms.out_trade_no)
    if trade is not None and trade.is_opened:
        _refuse_to_reopen(trade, terms)
        trade.notify_url, trade.return_url = terms.notify_url, terms.return_url
        trade.quit_url, trade.charset = terms.quit_url, terms.charset
        trade.record(clock.now(), "asked again")
        trade.save(update_fields=["notify_url", "return_url", "quit_url", "charset", "history"])
        return trade

    now = clock.now()
    is_new = trade is None
    trade = trade or Trade(
        merchant=merchant,
        out_trade_no=terms.out_trade_no,
        token=secrets.token_hex(16),
        qr="bax" + secrets.token_hex(12),
    )
    trade.product, trade.total, trade.subject = terms.product, terms.total, terms.subject
    trade.extras, trade.charset = terms.extras, terms.charset
    trade.notify_url, trade.return_url = terms.notify_url, terms.return_url
    trade.quit_url = terms.quit_url
    trade.requested_at = now
    trade.timeout = terms.timeout or DEFAULT_TIMEOUT[terms.product]
    trade.expires_at = terms.time_expire
    trade.scan_before = None
    if terms.time_expire is None and terms.product == TradeProduct.PAGE:
        trade.expires_at = end_of(now, trade.timeout)
    if terms.product == TradeProduct.PRECREATE:
        life = end_of(now, terms.qr_timeout) if terms.qr_timeout else now + QR_LIFE
        trade.scan_before = min(life, now + QR_LIFE)
    trade.record(now, "asked" if is_new else "asked again", yuan(terms.total))
    trade.save(force_insert=is_new)
    return trade


def _refuse_to_reopen(trade: Trade, terms: Terms) -> None:
    if trade.is_paid:
        raise Refusal("ACQ.TRADE_HAS_SUCCESS")
    if not trade.is_waiting:
        raise Refusal("ACQ.TRADE_HAS_CLOSE")
    if (trade.total, trade.subject) != (terms.total, terms.subject):
        raise Refusal("ACQ.CONTEXT_INCONSISTENT")


def end_of(start: datetime, timeout: str) -> datetime:
    """When a ``timeout_express`` ends: ``90m``, ``2h``, ``15d``, or ``1c``, the end of the day."""
    if timeout == "1c":
        day = start.astimezone(BEIJING) + timedelta(days=1)
        return day.replace(hour=0, minute=0, second=0, microsecond=0)
    match = TIMEOUT.fullmatch(timeout)
    if match is None:
        raise ValueError(timeout)
    unit = {"m": "minutes", "h": "hours", "d": "days"}[match[2]]
    return start + timedelta(**{unit: int(match[1])})


def is_timeout(text: str) -> bool:
    """Say whether a text is a ``timeout_express`` within 1m and 15d."""
    if text == "1c":
        return True
    now = clock.now()
    return bool(TIMEOUT.fullmatch(text)) and end_of(now, text) <= now + LONGEST_WAIT


def scan(trade: Trade, buyer: Buyer) -> Trade:
    """A buyer opens the trade: from now on it exists, and is that buyer's."""
    if _open(trade, buyer):
        trade.save()
        announce(trade, at=clock.now())
    return trade


def _open(trade: Trade, buyer: Buyer) -> bool:
    if trade.is_paid:
        raise Refusal("ACQ.TRADE_HAS_SUCCESS")
    if trade.status == TradeStatus.TRADE_CLOSED:
        raise Refusal("ACQ.TRADE_HAS_CLOSE")
    if trade.is_opened:
        if trade.buyer_id != buyer.pk:
            raise Refusal("ACQ.TRADE_BUYER_NOT_MATCH")
        return False
    now = clock.now()
    if is_out_of_time(trade, now):
        raise Refusal("ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR")
    trade.trade_no = f"{now:%Y%m%d}22001{secrets.randbelow(10**15):015d}"
    trade.status, trade.buyer, trade.created_at = TradeStatus.WAIT_BUYER_PAY, buyer, now
    if trade.expires_at is None:
        trade.expires_at = end_of(now, trade.timeout)
    trade.record(now, "opened", buyer.logon_id)
    transaction.on_commit(schedule_changed.set)
    return True


def is_out_of_time(trade: Trade, now: datetime) -> bool:
    """Say whether a request that nobody opened can no longer be opened."""
    ends = [end for end in (trade.expires_at, trade.scan_before) if end is not None]
    return bool(ends) and min(ends) <= now


def pay(trade: Trade, buyer: Buyer) -> Trade:
    """The buyer pays, opening the trade first if need be. The money is the merchant's at once."""
    if _open(trade, buyer):
        announce(trade, at=clock.now())
    now = clock.now()
    window = timedelta(days=rules.behaviour.refund_window)
    trade.paid_at, trade.finish_at = now, now + window
    trade.status = TradeStatus.TRADE_SUCCESS if window else TradeStatus.TRADE_FINISHED
    trade.fee = share(trade.total, rules.behaviour.fee_rate)
    trade.record(now, "paid", trade.total_amount)
    trade.save()
    _book(trade, now, {"交易": trade.total, "收费": -trade.fee})
    announce(trade, at=now, trigger=TradeStatus.TRADE_SUCCESS)
    return trade


# -- closing ---------------------------------------------------------------------------------------


def close(trade: Trade, *, why: str, at: datetime | None = None) -> None:
    """Close a trade that is not paid."""
    if not trade.is_waiting:
        raise Refusal("ACQ.TRADE_STATUS_ERROR")
    at = at or clock.now()
    trade.status, trade.closed_at = TradeStatus.TRADE_CLOSED, at
    trade.record(at, why)
    trade.save(update_fields=["status", "closed_at", "history"])
    announce(trade, at=at)


def cancel(trade: Trade) -> str:
    """Undo a trade: close it unpaid, or send its money back. Say which; "" for nothing to do."""
    if trade.is_waiting:
        close(trade, why="cancelled")
        return "close"
    if trade.status == TradeStatus.TRADE_CLOSED:
        return "refund" if trade.refunded else "close"
    if trade.status == TradeStatus.TRADE_FINISHED:
        raise Refusal("ACQ.TRADE_HAS_FINISHED")
    paid_day = stamp(trade.paid_at)[:10]
    if rules.behaviour.cancel_same_day and paid_day != stamp(clock.now())[:10]:
        raise Refusal("ACQ.TRADE_CANCEL_TIME_OUT")
    if trade.refunded:
        raise Refusal("ACQ.REASON_TRADE_REFUND_FEE_ERR")
    refund(trade, amount=trade.total, reason="cancel")
    return "refund"


# -- money back ------------------------------------------------------------------------------------


def refund(
    trade: Trade, *, amount: int, out_request_no: str = "", reason: str = "", operator_id: str = ""
) -> tuple[Refund, bool]:
    """Send money back, once for each ``out_request_no``. Say whether this call moved it."""
    number = out_request_no or trade.out_trade_no
    earlier = trade.refunds.filter(out_request_no=number).first()
    if earlier is not None:
        if earlier.amount != amount:
            raise Refusal("ACQ.DISCORDANT_REPEAT_REQUEST")
        return earlier, False

    _refuse_to_refund(trade, amount, out_request_no)
    now = clock.now()
    returned = part(trade.fee, trade.refunded + amount, trade.total)
    fee_back = returned - trade.fee_returned
    trade.refunded += amount
    trade.fee_returned = returned
    if trade.refunded == trade.total:
        trade.status, trade.closed_at = TradeStatus.TRADE_CLOSED, now
    trade.record(now, "refunded", f"{yuan(amount)} {number}")
    trade.save(update_fields=["refunded", "fee_returned", "status", "closed_at", "history"])
    made = trade.refunds.create(
        out_request_no=number,
        amount=amount,
        total_so_far=trade.refunded,
        fee_returned=fee_back,
        reason=reason,
        operator_id=operator_id,
        at=now,
    )
    # The fee first, so that a balance which just suffices never falls below nothing.
    _book(trade, now, {"退费": fee_back, "交易退款": -amount})
    announce(trade, at=now, refund=made)
    return made, True


def _refuse_to_refund(trade: Trade, amount: int, out_request_no: str) -> None:
    if trade.status == TradeStatus.TRADE_FINISHED:
        raise Refusal("ACQ.TRADE_HAS_FINISHED")
    if trade.status == TradeStatus.TRADE_CLOSED:
        sub_code = rules.behaviour.refund_when_closed if trade.is_paid else "TRADE_HAS_CLOSE"
        raise Refusal(f"ACQ.{sub_code}")
    if trade.status != TradeStatus.TRADE_SUCCESS:
        raise Refusal("ACQ.TRADE_STATUS_ERROR")
    if not out_request_no and amount != trade.total:
        raise Refusal("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL")
    if amount > trade.total - trade.refunded:
        raise Refusal(f"ACQ.{rules.behaviour.refund_too_much}")


# -- what time does --------------------------------------------------------------------------------


def due_at(trade: Trade, now: datetime) -> datetime | None:
    """When a trade's time came: unpaid too long, or paid so long ago that it is final."""
    end = {
        TradeStatus.WAIT_BUYER_PAY: trade.expires_at,
        TradeStatus.TRADE_SUCCESS: trade.finish_at,
    }.get(TradeStatus(trade.status))
    return end if end is not None and end <= now else None


def fall_due(trade: Trade, now: datetime) -> None:
    """Do to a trade what its time has come for."""
    end = due_at(trade, now)
    if end is None:
        return
    if trade.is_waiting:
        close(trade, why="timed out", at=end)
        return
    trade.status = TradeStatus.TRADE_FINISHED
    trade.record(end, "finished")
    trade.save(update_fields=["status", "history"])
    announce(trade, at=end)


def next_due() -> tuple[datetime, int] | None:
    """The trade whose time comes first, and when."""
    ends = {TradeStatus.WAIT_BUYER_PAY: "expires_at", TradeStatus.TRADE_SUCCESS: "finish_at"}
    firsts: list[tuple[datetime, int]] = []
    for status, end in ends.items():
        open_ones = Trade.objects.filter(status=status, **{f"{end}__isnull": False})
        firsts += open_ones.order_by(end).values_list(end, "pk")[:1]
    return min(firsts, default=None)


# -- looking up ------------------------------------------------------------------------------------


def find(merchant: Merchant, *, out_trade_no: str = "", trade_no: str = "") -> Trade | None:
    """Find a merchant's trade as it is at this instant; ``trade_no`` wins."""
    wanted = {"trade_no": trade_no} if trade_no else {"out_trade_no": out_trade_no}
    trade = Trade.objects.filter(merchant=merchant, **wanted).first()
    if trade is not None:
        trade.merchant = merchant
        trade.buyer = accounts.buyer(trade.buyer_id) if trade.buyer_id else None
    return as_of_now(trade)


def as_of_now(trade: Trade | None) -> Trade | None:
    """Let time have done to a trade what it must, whether or not the notifier has come to it."""
    if trade is not None and due_at(trade, clock.now()) is not None:
        with change():
            trade.refresh_from_db()
            fall_due(trade, clock.now())
    return trade


def _book(trade: Trade, at: datetime, movements: dict[str, int]) -> None:
    """Move money on the merchant's account."""
    balance = Merchant.objects.values_list("balance", flat=True).get(pk=trade.merchant_id)
    entries = []
    for kind, amount in movements.items():
        if amount:
            balance += amount
            entry = LedgerEntry(trade=trade, at=at, kind=kind, amount=amount, balance=balance)
            entry.merchant_id = trade.merchant_id
            entries.append(entry)
    if balance < 0:
        raise Refusal("ACQ.SELLER_BALANCE_NOT_ENOUGH")  # and nothing of it has happened
    LedgerEntry.objects.bulk_create(entries)
    Merchant.objects.filter(pk=trade.merchant_id).update(balance=balance)
