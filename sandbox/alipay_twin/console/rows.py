"""What the pages show of a notice, an attempt, a merchant, a setting."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.translation import gettext as _

from .. import keyring, notices, wire
from ..behaviour import Behaviour
from ..models import Attempt, Merchant, Notice
from ..money import yuan


def notices_with_attempts() -> models.QuerySet[Notice]:
    rows = Notice.objects.select_related("trade__merchant", "trade__buyer")
    return rows.prefetch_related("attempts").order_by("pk")


class AttemptRow:
    """One attempt, and the very text that was signed for it."""

    def __init__(self, notice: Notice, attempt: Attempt) -> None:
        self.at, self.status = attempt.at, attempt.status
        self.body, self.error = attempt.body, attempt.error
        self.milliseconds = attempt.milliseconds
        self.is_success = attempt.status == 200 and attempt.body == "success"
        fields = notices.unsigned_fields(notice, attempt.at)
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
class SettingField:
    """One setting as a form shows it."""

    name: str
    kind: str  # flag, choice, text
    value: str
    is_on: bool
    choices: tuple[str, ...]
    description: str
    is_changed: bool


def setting_fields(behaviour: Behaviour, usual: Behaviour) -> list[SettingField]:
    """Every setting but the table of triggers."""
    shown = []
    for name, field in Behaviour.model_fields.items():
        if name == "notify_triggers":
            continue
        value = getattr(behaviour, name)
        is_choice = typing.get_origin(field.annotation) is typing.Literal
        shown.append(
            SettingField(
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
