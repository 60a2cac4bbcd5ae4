"""The console: all that goes on here, live, and a button for all that the control API can do.

The buttons stand on the actions of the control API; what those refuse is told on the page.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from pydantic import BaseModel, ValidationError

from . import actions, keyring, notices, wire
from .behaviour import Behaviour, NotifyPolicy, rules
from .cashier import SeeOther, merchant_address
from .clock import clock, real_now
from .faults import KINDS, FaultIn, faults
from .gateway import METHODS
from .models import Attempt, Buyer, Fault, Merchant, Notice, Trade, TradeProduct, TradeStatus
from .money import yuan
from .problems import Problem
from .refusals import Refusal
from .requestlog import requests
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

PAGE_SIZE = 25

Form = dict[str, str]


# -- pages -----------------------------------------------------------------------------------------


def base(request: HttpRequest) -> dict[str, Any]:
    """What every page shows: the clock, what is set to go wrong, where to call."""
    return {
        "now": clock.now(),
        "real": real_now(),
        "clock_mode": clock.mode,
        "clock_scale": clock.rate,
        "fault_count": Fault.objects.count(),
        "policy": rules.policy,
        "is_policy_usual": rules.policy == NotifyPolicy(),
        "address": request.build_absolute_uri("/").rstrip("/"),
        "here": request.get_full_path(),
        "keys_folder": str(options.keys),
        "buyers": Buyer.objects.order_by("pk"),
    }


def page_of(request: HttpRequest, rows: models.QuerySet[Any]) -> Page[Any]:
    return Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))


@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    """Trades, the clock, balances; the last notices and requests."""
    q, status = request.GET.get("q", "").strip(), request.GET.get("status", "")
    found = Trade.objects.select_related("merchant", "buyer").order_by("-pk")
    if q:
        found = found.filter(
            models.Q(out_trade_no__icontains=q)
            | models.Q(trade_no__icontains=q)
            | models.Q(subject__icontains=q)
        )
    if status:
        found = found.filter(status="" if status == "UNBORN" else status)
    context = {
        "page_obj": page_of(request, found),
        "q": q,
        "status": status,
        "statuses": ["UNBORN", *[status.value for status in TradeStatus if status]],
        "merchants": [MerchantRow(merchant) for merchant in Merchant.objects.order_by("pk")],
        "notices": [NoticeRow(notice) for notice in some_notices().order_by("-pk")[:5]],
        "requests": requests.last(10),
    }
    return render(request, "alipay_twin/dashboard.html", base(request) | context)


@require_GET
def trade_page(request: HttpRequest, app_id: str, out_trade_no: str) -> HttpResponse:
    """One trade with its whole history."""
    try:
        trade = actions.find_trade(out_trade_no, app_id)
    except Problem as problem:
        raise Http404 from problem
    signed = notices.return_fields(trade) if has_return(trade) else {}
    context = {
        "trade": trade,
        "history": trade.events,
        "refunds": trade.refunds.all(),
        "notices": [NoticeRow(notice) for notice in some_notices().filter(trade=trade)],
        "requests": [seen for seen in requests.last() if seen.out_trade_no == out_trade_no][:25],
        "cashier_url": f"/cashier/{trade.token}/",
        "can_open": trade.status == TradeStatus.UNBORN,
        "can_pay": trade.status in (TradeStatus.UNBORN, TradeStatus.WAIT_BUYER_PAY),
        "can_refund": trade.status == TradeStatus.TRADE_SUCCESS,
        "left": yuan(trade.total - trade.refunded),
        "merchant_address": merchant_address(trade),
        "return_string": wire.message_string(signed) if signed else "",
        "return_address": notices.return_address(trade) if signed else "",
        "forged": notices.forged_fields(actions.forged_trade(out_trade_no, app_id)),
    }
    return render(request, "alipay_twin/trade.html", base(request) | context)


def has_return(trade: Trade) -> bool:
    return trade.is_paid and bool(trade.return_url) and trade.product != TradeProduct.PRECREATE


@require_GET
def notices_page(request: HttpRequest) -> HttpResponse:
    """Notices with every attempt and the merchant's exact answer."""
    state = request.GET.get("state", "")
    found = some_notices().order_by("-pk")
    page = page_of(request, found.filter(state=state) if state else found)
    context = {
        "page_obj": page,
        "notices": [NoticeRow(notice) for notice in page],
        "state": state,
        "states": [state.value for state in Notice.State],
    }
    return render(request, "alipay_twin/notices.html", base(request) | context)


@require_GET
def requests_page(request: HttpRequest) -> HttpResponse:
    """The last gateway requests with their verdicts, and the strings that were signed."""
    return render(
        request, "alipay_twin/requests.html", base(request) | {"requests": requests.last(100)}
    )


@require_GET
def settings_page(request: HttpRequest) -> HttpResponse:
    """Faults, merchants, and every setting where sources disagree."""
    context = {
        "faults": Fault.objects.all(),
        "fault_kinds": typing.get_args(KINDS),
        "methods": list(METHODS),
        "merchants": [MerchantRow(merchant) for merchant in Merchant.objects.order_by("pk")],
        "controls": controls(rules.behaviour, rules.defaults),
        "triggers": rules.behaviour.notify_triggers,
    }
    return render(request, "alipay_twin/settings.html", base(request) | context)


# -- what the pages show ---------------------------------------------------------------------------


def some_notices() -> models.QuerySet[Notice]:
    rows = Notice.objects.select_related("trade__merchant", "trade__buyer")
    return rows.prefetch_related("attempts").order_by("pk")


class AttemptRow:
    """One attempt, and the very text that was signed for it."""

    def __init__(self, notice: Notice, attempt: Attempt) -> None:
        self.at, self.status = attempt.at, attempt.status
        self.body, self.error = attempt.body, attempt.error
        self.milliseconds = attempt.milliseconds
        self.is_success = attempt.status == 200 and attempt.body == "success"
        fields = notices.unsealed(notice, attempt.at)
        self.string_signed = wire.message_string(fields)


class NoticeRow:
    """One notice with its attempts."""

    def __init__(self, notice: Notice) -> None:
        self.notice = notice
        self.notify_id, self.trade = notice.notify_id, notice.trade
        self.trade_status, self.state = notice.trade_status, notice.state
        self.url, self.due_at, self.made_at = notice.url, notice.due_at, notice.made_at
        self.is_refund = "refund_fee" in notice.fields
        self.fields = sorted(notice.fields.items())
        self.attempts = [AttemptRow(notice, attempt) for attempt in notice.attempts.all()]


class MerchantRow:
    """A merchant with the keys it needs."""

    def __init__(self, merchant: Merchant) -> None:
        self.app_id, self.seller_id = merchant.app_id, merchant.seller_id
        self.name, self.balance = merchant.name, yuan(merchant.balance)
        self.app_public_key = merchant.app_public_key
        self.alipay_public_key = keyring.alipay_public_pem(merchant.app_id)
        self.alipay_public_key_bare = wire.bare(self.alipay_public_key)


@dataclass(frozen=True)
class Control:
    """One setting as a form shows it."""

    name: str
    kind: str  # flag, choice, text
    value: str
    is_on: bool
    choices: tuple[str, ...]
    description: str
    is_changed: bool


def controls(behaviour: Behaviour, usual: Behaviour) -> list[Control]:
    """Every setting but the table of triggers."""
    shown = []
    for name, field in Behaviour.model_fields.items():
        if name == "notify_triggers":
            continue
        value = getattr(behaviour, name)
        is_choice = typing.get_origin(field.annotation) is typing.Literal
        shown.append(
            Control(
                name=name,
                kind="flag" if field.annotation is bool else "choice" if is_choice else "text",
                value=as_text(value),
                is_on=value is True,
                choices=typing.get_args(field.annotation) if is_choice else (),
                description=_(field.description or name),
                is_changed=value != getattr(usual, name),
            )
        )
    return shown


def as_text(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(f"{gap:g}" for gap in value) if isinstance(value, list) else str(value)


# -- buttons ---------------------------------------------------------------------------------------


@require_POST
def button(request: HttpRequest, action: str) -> HttpResponse:
    """Do what a form asks for, and go back to its page."""
    work = BUTTONS.get(action)
    if work is None:
        raise Http404
    try:
        messages.success(request, work(request.POST.dict()))
    except Refusal as refusal:
        messages.error(request, f"{refusal.sub_code} {refusal.words}")
    except Problem as problem:
        messages.error(request, problem.detail)
    except ValidationError as invalid:
        messages.error(request, findings(invalid))
    except ValueError as wrong:
        messages.error(request, str(wrong))
    after = request.POST.get("next", "/")
    is_ours = url_has_allowed_host_and_scheme(after, allowed_hosts=None)
    return SeeOther(after if is_ours else "/")


def findings(invalid: ValidationError) -> str:
    """Pydantic's findings, one after the other."""
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in invalid.errors())


def filled(form: Form, schema: type[BaseModel]) -> dict[str, Any]:
    """What was filled in, of the fields that the schema has."""
    return {name: form[name] for name in schema.model_fields if form.get(name, "") != ""}


def do_scan(form: Form) -> str:
    choice = BuyerIn(**filled(form, BuyerIn))
    actions.scan_trade(form["out_trade_no"], form["app_id"], choice)
    return _("The buyer has opened the trade.")


def do_pay(form: Form) -> str:
    choice = BuyerIn(**filled(form, BuyerIn)) if form.get("buyer") else None
    actions.pay_trade(form["out_trade_no"], form["app_id"], choice)
    return _("The buyer has paid.")


def do_refund(form: Form) -> str:
    wanted = RefundIn(**filled(form, RefundIn))
    actions.refund_trade(form["out_trade_no"], form["app_id"], wanted)
    return _("The money went back, and the shop did not ask for it.")


def do_send(form: Form) -> str:
    actions.send_notice(form["notify_id"], SendIn(**filled(form, SendIn)))
    return _("The notice was sent.")


def do_forge(form: Form) -> str:
    """Fields named ``field.…`` override; an empty one removes; one may be sent unsigned."""
    fields: dict[str, str | None] = {
        name.removeprefix("field."): form[name] or None
        for name in form
        if name.startswith("field.")
    }
    if form.get("extra_name"):
        fields[form["extra_name"]] = form.get("extra_value", "")
    unsigned = form.get("unsigned_name")
    extra = [(unsigned, form.get("unsigned_value", ""))] if unsigned else []
    wanted = ForgeIn(**{**filled(form, ForgeIn), "fields": fields, "extra": extra})
    reply, _fields = actions.forge_notice(wanted)
    answer = reply.error or f"{reply.status} {reply.body[:200]}"
    return _("The merchant answered: %(answer)s") % {"answer": answer}


def do_policy(form: Form) -> str:
    wanted = NotifyPolicy(
        drop=True if form.get("drop_all") else int(form.get("drop") or 0),
        delay=float(form.get("delay") or 0),
        duplicate=int(form.get("duplicate") or 0),
        shuffle="shuffle" in form,
    )
    actions.change_notify_policy(wanted)
    return _("From now on notices are treated so.")


def do_add_fault(form: Form) -> str:
    faults.add([FaultIn(**filled(form, FaultIn))])
    return _("The fault is set.")


def do_clear_faults(form: Form) -> str:
    faults.replace([])
    return _("Nothing goes wrong any more.")


def do_clock(form: Form) -> str:
    done = actions.set_clock(ClockIn(**filled(form, ClockIn)))
    return _("The clock is set. Things that fell due: %(done)s") % {"done": done}


def do_settings(form: Form) -> str:
    changes: dict[str, Any] = {}
    for shown in controls(rules.behaviour, rules.defaults):
        if shown.kind == "flag":
            changes[shown.name] = shown.name in form
        elif shown.name in form:
            changes[shown.name] = form[shown.name].strip()
    if (ladder := changes.get("ladder")) not in ("A", "B", None):
        changes["ladder"] = [float(gap) for gap in ladder.split(",") if gap.strip()]
    changes["timestamp_skew"] = changes.get("timestamp_skew") or None
    changes["notify_triggers"] = {
        product: {status: f"{product}.{status}" in form for status in states}
        for product, states in rules.behaviour.notify_triggers.items()
    }
    actions.change_behaviour(Behaviour(**changes))
    return _("The settings are changed.")


def do_merchant(form: Form) -> str:
    wanted = MerchantChange(**filled(form, MerchantChange))
    actions.change_merchant(form["app_id"], wanted)
    return _("The merchant is changed.")


def do_add_merchant(form: Form) -> str:
    actions.add_merchant(MerchantIn(**filled(form, MerchantIn)))
    return _("The merchant is added.")


def do_reset(form: Form) -> str:
    actions.reset()
    return _("Everything is forgotten, and the clock is real again.")


BUTTONS: dict[str, Callable[[Form], str]] = {
    "scan": do_scan,
    "pay": do_pay,
    "refund": do_refund,
    "send": do_send,
    "forge": do_forge,
    "policy": do_policy,
    "add-fault": do_add_fault,
    "clear-faults": do_clear_faults,
    "clock": do_clock,
    "settings": do_settings,
    "merchant": do_merchant,
    "add-merchant": do_add_merchant,
    "reset": do_reset,
}
