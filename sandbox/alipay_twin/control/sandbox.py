"""The sandbox as a whole: its last calls, its address, a new beginning."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from .. import __version__, actions
from ..requestlog import requests
from ..server.options import options
from .clock import ClockOut, clock_out
from .errors import PROBLEMS

router = Router()


class RequestOut(Schema):
    model_config = ConfigDict(from_attributes=True)
    number: int
    at: datetime
    verb: str
    app_id: str
    method: str
    out_trade_no: str
    verdict: str
    fault: str
    milliseconds: float
    parameters: dict[str, str]
    string_verified: str
    string_signed: str


class RequestsOut(Schema):
    items: list[RequestOut]


@router.get("/requests", response={200: RequestsOut, **PROBLEMS})
def list_requests(request: HttpRequest, limit: Annotated[int, Field(ge=1, le=500)] = 50) -> Any:
    """The last gateway requests, the latest first, with the strings that were signed."""
    return {"items": requests.last(limit)}


class AboutOut(Schema):
    version: str
    address: str
    gateway: str
    app_id: str
    seller_id: str
    keys: str


@router.get("/about", response={200: AboutOut, **PROBLEMS})
def about(request: HttpRequest) -> Any:
    """Who this is and how to reach it."""
    address = request.build_absolute_uri("/").rstrip("/")
    return {
        "version": __version__,
        "address": address,
        "gateway": f"{address}/gateway.do",
        "app_id": options.app_id,
        "seller_id": options.seller_id,
        "keys": str(options.keys),
    }


@router.post("/reset", response={200: ClockOut, **PROBLEMS})
def reset(request: HttpRequest) -> Any:
    """Forget trades, notices, faults and settings; the clock is real again. Keys stay."""
    actions.reset()
    return clock_out()
