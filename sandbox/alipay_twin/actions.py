"""What buyers, time and bad luck do here at a word: of the console's buttons, of the control API.

Both stand on these actions and do nothing of their own. An action raises ``Problem`` where it is
told what makes no sense, and ``Refusal`` where Alipay itself says no; then nothing has happened.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.db import models

from . import keyring, notices, notifier, state, trades, wire
from .accounts import accounts
from .behaviour import Behaviour, NotifyPolicy, rules
from .clock import BEIJING, clock, schedule_changed
from .faults import faults
from .models import Buyer, Merchant, Notice, Trade, TradeStatus
from .money import fen
from .problems import Problem
from .schemas import (
    BuyerIn,
    ClockIn,
    ForgeIn,
    MerchantChange,
    MerchantIn,
    RefundIn,
    SendIn,
)
from .server.options import options
from .state import change, store_clock

# -- trades ----------------------------------------------------------------------------------------


def find_trade(out_trade_no: str, app_id: str = "") -> Trade:
    """A trade by the merchant's number; two merchants may use the same."""
    found = Trade.objects.select_related("merchant", "buyer").filter(out_trade_no=out_trade_no)
    if app_id:
        found = found.filter(merchant__app_id=app_id)
    first, *others = found[:2] or [None]
    if first is None:
        raise Problem(404, "Not found", f"Nobody asked for a trade {out_trade_no[:64]!r}.")
    if others:
        raise Problem(409, "Ambiguous", "Several merchants use this number: say app_id.")
    return trades.as_of_now(first) or first


def find_buyer(choice: BuyerIn | None) -> Buyer:
    """The chosen test buyer, usually the first."""
    wanted = choice.buyer if choice else ""
    buyers = Buyer.objects.order_by("pk")
    buyer = buyers.filter(logon_id=wanted).first() if wanted else buyers.first()
    if buyer is None:
        raise Problem(422, "Invalid request", f"There is no buyer {wanted!r}.")
    return buyer


def scan_trade(out_trade_no: str, app_id: str, choice: BuyerIn | None) -> Trade:
    """The buyer opens the trade: from now on it exists."""
    with change():
        return trades.scan(find_trade(out_trade_no, app_id), find_buyer(choice))


def pay_trade(out_trade_no: str, app_id: str, choice: BuyerIn | None) -> Trade:
    """The buyer pays, opening the trade first if need be."""
    with change():
        trade = find_trade(out_trade_no, app_id)
        buyer = trade.buyer if trade.buyer and not choice else find_buyer(choice)
        return trades.pay(trade, buyer)


def refund_trade(out_trade_no: str, app_id: str, wanted: RefundIn) -> Trade:
    """The merchant sends money back in Alipay's console, and the shop did not ask for it."""
    with change():
        trade = find_trade(out_trade_no, app_id)
        trades.refund(
            trade,
            amount=_amount(wanted.refund_amount, usually=trade.total - trade.refunded),
            out_request_no=wanted.out_request_no or _out_request_no_of_the_console(),
            reason=wanted.refund_reason,
        )
        return trade


def _amount(text: str | None, *, usually: int) -> int:
    if text is None:
        return usually
    amount = fen(text)
    if amount is None:
        raise Problem(422, "Invalid request", f"refund_amount: {text!r} is no amount in yuan.")
    return amount


def _out_request_no_of_the_console() -> str:
    return f"{clock.now().astimezone(BEIJING):%Y%m%d%H%M%S}{secrets.randbelow(10**10):010d}"


# -- notices ---------------------------------------------------------------------------------------


def find_notice(notify_id: str) -> Notice:
    found = Notice.objects.select_related("trade__merchant", "trade__buyer")
    notice = found.filter(notify_id=notify_id).first()
    if notice is None:
        raise Problem(404, "Not found", f"There is no notice {notify_id[:128]!r}.")
    return notice


def send_notice(notify_id: str, wanted: SendIn) -> Notice:
    """Send a notice again now, whatever became of it before."""
    notifier.send(find_notice(notify_id), times=wanted.times, at_once=wanted.at_once)
    return find_notice(notify_id)


def forge_notice(wanted: ForgeIn) -> tuple[notifier.Reply, dict[str, str]]:
    """Send the merchant a notice made to order; return what it said, and the fields sent.

    What is not given is as in the notice of a payment of that trade.
    """
    trade = forged_trade(wanted.out_trade_no, wanted.app_id)
    url = wanted.notify_url or trade.notify_url
    if not url:
        raise Problem(409, "Nowhere to send", "The trade has no notify_url: say one.")
    fields = _overridden(notices.forged_fields(trade), wanted.fields)
    if wanted.sign_with != "none":
        app_id = trade.merchant.app_id
        is_real = wanted.sign_with == "alipay"
        key = keyring.alipay_key(app_id) if is_real else keyring.stranger_key()
        sign = wire.signature(wire.message_string(fields), key, charset=wanted.charset)
        fields = _overridden({"sign_type": "RSA2", "sign": sign, **fields}, wanted.fields)
    form = wire.form([*fields.items(), *wanted.extra], wanted.charset)
    return notifier.post(url, form.encode(), wanted.charset), fields


def _overridden(fields: dict[str, str], by: dict[str, str | None]) -> dict[str, str]:
    """Fields with others in their place; null takes one away."""
    return {name: value for name, value in {**fields, **by}.items() if value is not None}


def forged_trade(out_trade_no: str, app_id: str) -> Trade:
    """A trade as if it had been paid; one that nobody asked for is made up."""
    try:
        trade = find_trade(out_trade_no, app_id)
    except Problem as problem:
        merchants = Merchant.objects.order_by("pk")
        merchant = merchants.filter(app_id=app_id).first() if app_id else merchants.first()
        if problem.status != 404 or merchant is None:
            raise
        latest = Trade.objects.filter(merchant=merchant).exclude(notify_url="").last()
        trade = Trade(
            merchant=merchant,
            out_trade_no=out_trade_no,
            product="page",
            total=1,
            subject="forged",
            notify_url=latest.notify_url if latest else "",
        )
    now = clock.now()
    trade.trade_no = trade.trade_no or f"{now:%Y%m%d}22001{'9' * 15}"
    trade.buyer = trade.buyer or find_buyer(None)
    trade.created_at, trade.paid_at = trade.created_at or now, trade.paid_at or now
    trade.closed_at, trade.status = None, TradeStatus.TRADE_SUCCESS
    return trade


def change_notify_policy(policy: NotifyPolicy) -> NotifyPolicy:
    """Set what happens to the notices that are made from now on."""
    with change():
        return rules.change_policy(policy)


# -- the clock -------------------------------------------------------------------------------------


def set_clock(wanted: ClockIn) -> int:
    """Turn the clock forward, or set how fast it goes; return how many things fell due."""
    target = _instant(wanted)
    if wanted.mode is not None:
        rate = {"real": 1.0, "frozen": 0.0, "scaled": wanted.scale or 60.0}[wanted.mode]
        with change():
            clock.set(clock.now(), rate)
            store_clock()
    done = 0
    if target is not None:
        done = notifier.notifier.advance(target)
    elif wanted.advance is not None:
        done = notifier.notifier.advance(timedelta(seconds=wanted.advance))
    schedule_changed.set()
    return done


def _instant(wanted: ClockIn) -> datetime | None:
    if wanted.to is None:
        return None
    instant = wanted.to if wanted.to.tzinfo else wanted.to.replace(tzinfo=BEIJING)
    if instant < clock.now():
        raise Problem(422, "Invalid request", "to: the clock is turned forward only; see reset")
    return instant


# -- merchants, settings ---------------------------------------------------------------------------


def add_merchant(wanted: MerchantIn) -> Merchant:
    """A further app, with its own keys."""
    pem = _public_pem(wanted.app_public_key)
    taken = models.Q(app_id=wanted.app_id) | models.Q(seller_id=wanted.seller_id)
    with change():
        if Merchant.objects.filter(taken).exists():
            raise Problem(409, "Taken", "This app_id or seller_id is a merchant's already.")
        merchant = Merchant.objects.create(
            app_id=wanted.app_id,
            seller_id=wanted.seller_id,
            name=wanted.name or f"App {wanted.app_id}",
            app_public_key=pem,
        )
        accounts.clear_cache()
    return merchant


def change_merchant(app_id: str, wanted: MerchantChange) -> Merchant:
    """Set a merchant's balance, name or public key."""
    pem = _public_pem(wanted.app_public_key) if wanted.app_public_key else None
    with change():
        merchant = Merchant.objects.filter(app_id=app_id).first()
        if merchant is None:
            raise Problem(404, "Not found", f"There is no app {app_id[:32]!r}.")
        if wanted.balance is not None:
            merchant.balance = int(wanted.balance.replace(".", ""))
        merchant.name = wanted.name or merchant.name
        merchant.app_public_key = pem or merchant.app_public_key
        merchant.save()
        accounts.clear_cache()
    return merchant


def _public_pem(text: str) -> str:
    try:
        return wire.public_pem(wire.public_key(text))
    except ValueError:
        raise Problem(422, "Invalid request", "app_public_key: not an RSA public key") from None


def change_behaviour(changes: Behaviour) -> Behaviour:
    """Change the settings that are given; the others stay."""
    with change():
        return rules.change_behaviour(changes.model_dump(exclude_unset=True))


def reset() -> None:
    """Forget trades, notices, faults and settings; the clock is real again. Keys stay."""

    def reset_all() -> None:
        state.reset(options.time_scale)
        faults.load()

    notifier.notifier.at_rest(reset_all)
