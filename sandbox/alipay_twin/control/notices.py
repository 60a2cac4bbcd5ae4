"""Notices: every one with every attempt; sent again, forged, lost."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from .. import actions, notices
from ..behaviour import NotifyPolicy, rules
from ..clock import BEIJING
from ..models import Notice
from ..schemas import ForgeIn, SendIn
from .errors import PROBLEMS
from .fields import Limit, Offset, beijing

router = Router()


class AttemptOut(Schema):
    at: datetime
    status: int | None = Field(description="null when nothing was answered")
    body: str
    error: str
    milliseconds: int


class NoticeOut(Schema):
    notify_id: str
    out_trade_no: str
    trade_no: str | None
    trade_status: str
    app_id: str
    notify_url: str
    state: str
    due_at: datetime | None
    fields: dict[str, str] = Field(description="as sent last, with its signature")
    attempts: list[AttemptOut]


class NoticesOut(Schema):
    items: list[NoticeOut]
    count: int


def notice_out(notice: Notice) -> NoticeOut:
    return NoticeOut(
        notify_id=notice.notify_id,
        out_trade_no=notice.trade.out_trade_no,
        trade_no=notice.trade.trade_no,
        trade_status=notice.trade_status,
        app_id=notice.trade.merchant.app_id,
        notify_url=notice.url,
        state=notice.state,
        due_at=beijing(notice.due_at),
        fields=notices.last_sent(notice),
        attempts=[
            AttemptOut(
                at=attempt.at.astimezone(BEIJING),
                status=attempt.status,
                body=attempt.body,
                error=attempt.error,
                milliseconds=attempt.milliseconds,
            )
            for attempt in notice.attempts.all()
        ],
    )


class NoticesIn(Schema):
    out_trade_no: str = ""
    app_id: str = ""
    state: str = ""
    limit: Limit = 100
    offset: Offset = 0


@router.get("/notices", response={200: NoticesOut, **PROBLEMS})
def list_notices(request: HttpRequest, wanted: Query[NoticesIn]) -> Any:
    """Notices in the order they were made, with every attempt."""
    found = Notice.objects.select_related("trade__merchant", "trade__buyer")
    if wanted.out_trade_no:
        found = found.filter(trade__out_trade_no=wanted.out_trade_no)
    if wanted.app_id:
        found = found.filter(trade__merchant__app_id=wanted.app_id)
    if wanted.state:
        found = found.filter(state=wanted.state)
    shown = found.order_by("pk").prefetch_related("attempts")
    shown = shown[wanted.offset : wanted.offset + wanted.limit]
    return {"items": [notice_out(notice) for notice in shown], "count": found.count()}


@router.post("/notices/{notify_id}/send", response={200: NoticeOut, **PROBLEMS})
def send_notice(request: HttpRequest, notify_id: str, wanted: SendIn | None = None) -> Any:
    """Send a notice again now, whatever became of it before."""
    return notice_out(actions.send_notice(notify_id, wanted or SendIn()))


class ForgeOut(Schema):
    status: int | None
    body: str
    error: str
    fields: dict[str, str]


@router.post("/forge", response={200: ForgeOut, **PROBLEMS})
def forge(request: HttpRequest, wanted: ForgeIn) -> Any:
    """Send the merchant a notice made to order, at once; tell what it said.

    What is not given is as in the notice of a payment of that trade.
    """
    reply, fields = actions.forge_notice(wanted)
    return {"status": reply.status, "body": reply.body, "error": reply.error, "fields": fields}


@router.get("/notify-policy", response={200: NotifyPolicy, **PROBLEMS})
def get_notify_policy(request: HttpRequest) -> Any:
    """What happens to the notices that are made from now on."""
    return rules.policy


@router.put("/notify-policy", response={200: NotifyPolicy, **PROBLEMS})
def put_notify_policy(request: HttpRequest, policy: NotifyPolicy) -> Any:
    """Set what happens to the notices that are made from now on; what is left out is usual."""
    return actions.change_notify_policy(policy)
