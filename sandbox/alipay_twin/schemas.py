"""What an action is given, by a button of the console or by a call of the control API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from ninja import Schema
from pydantic import ConfigDict, Field


class In(Schema):
    model_config = ConfigDict(extra="forbid")


class BuyerIn(In):
    buyer: str = Field("", max_length=100, description="a test buyer's logon_id; usually the first")


class RefundIn(In):
    refund_amount: Annotated[
        str | None, Field(max_length=16, description="usually all that is left")
    ] = None
    out_request_no: Annotated[
        str, Field(max_length=64, description="usually a new one of Alipay's own")
    ] = ""
    refund_reason: Annotated[str, Field(max_length=256)] = ""


class SendIn(In):
    times: Annotated[int, Field(ge=1, le=100)] = 1
    at_once: Annotated[bool, Field(description="all at the same time, to race each other")] = False


Name = Annotated[str, Field(min_length=1, max_length=64)]
Value = Annotated[str, Field(max_length=4000)]


class ForgeIn(In):
    out_trade_no: str = Field(max_length=64)
    fields: dict[Name, Value | None] = Field(
        default_factory=dict, description="override, or when null remove"
    )
    sign_with: Literal["alipay", "stranger", "none"] = "alipay"
    extra: list[tuple[str, str]] = Field(
        default_factory=list, max_length=100, description="sent too, unsigned: doubled names, say"
    )
    charset: Literal["utf-8", "gbk"] = "utf-8"
    notify_url: str = Field("", max_length=256, description="usually the trade's own")
    app_id: str = Field("", max_length=32)


class ClockIn(In):
    advance: float | None = Field(None, ge=0, le=20 * 31_536_000, description="seconds")
    to: datetime | None = Field(
        None, description="an instant: RFC 3339, or Beijing time as 2026-01-02 03:04:05"
    )
    mode: Literal["real", "frozen", "scaled"] | None = None
    scale: float | None = Field(None, gt=0, le=1_000_000, description="of scaled time")


class MerchantIn(In):
    app_id: str = Field(pattern=r"^\d{1,32}$")
    seller_id: str = Field(pattern=r"^2088\d{12}$")
    name: str = Field("", max_length=64)
    app_public_key: str = Field(max_length=4000, description="PEM, or the bare base64 line")


class MerchantChange(In):
    balance: str | None = Field(None, pattern=r"^\d{1,12}\.\d\d$")
    name: str | None = Field(None, max_length=64)
    app_public_key: str | None = Field(None, max_length=4000)
