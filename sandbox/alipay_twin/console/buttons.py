"""Every button of the console: a form is read, an action is done, a sentence says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from pydantic import BaseModel, ValidationError

from .. import actions
from ..behaviour import Behaviour, NotifyPolicy, rules
from ..cashier import SeeOther
from ..faults import FaultIn, faults
from ..problems import Problem
from ..refusals import Refusal
from ..schemas import (
    BuyerIn,
    ClockIn,
    ForgeIn,
    MerchantChange,
    MerchantIn,
    RefundIn,
    SendIn,
)
from .rows import setting_fields

Form = dict[str, str]


@require_POST
def button(request: HttpRequest, action: str) -> HttpResponse:
    """Do what a form asks for, and go back to its page."""
    work = BUTTONS.get(action)
    if work is None:
        raise Http404
    try:
        messages.success(request, work(request.POST.dict()))
    except Refusal as refusal:
        messages.error(request, f"{refusal.sub_code} {refusal.sub_msg}")
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
    for shown in setting_fields(rules.behaviour, rules.defaults):
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
