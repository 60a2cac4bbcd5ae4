"""Merchants with their keys and balances; the test buyers."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from .. import actions, keyring, wire
from ..models import Buyer, Merchant
from ..money import yuan
from ..schemas import MerchantChange, MerchantIn
from .errors import PROBLEMS

router = Router()


class MerchantOut(Schema):
    app_id: str
    seller_id: str
    name: str
    balance: str
    app_public_key: str
    alipay_public_key: str
    alipay_public_key_bare: str = Field(description="on one line, as Alipay's console shows it")


def merchant_out(merchant: Merchant) -> MerchantOut:
    pem = keyring.alipay_public_pem(merchant.app_id)
    return MerchantOut(
        app_id=merchant.app_id,
        seller_id=merchant.seller_id,
        name=merchant.name,
        balance=yuan(merchant.balance),
        app_public_key=merchant.app_public_key,
        alipay_public_key=pem,
        alipay_public_key_bare=wire.bare(pem),
    )


class MerchantsOut(Schema):
    items: list[MerchantOut]


@router.get("/merchants", response={200: MerchantsOut, **PROBLEMS})
def list_merchants(request: HttpRequest) -> Any:
    """The apps that may call the gateway, and the keys that belong to them."""
    return {"items": [merchant_out(merchant) for merchant in Merchant.objects.order_by("pk")]}


@router.post("/merchants", response={201: MerchantOut, **PROBLEMS})
def add_merchant(request: HttpRequest, wanted: MerchantIn) -> Any:
    """A further app, with its own keys; the answer holds Alipay's public key for it."""
    return Status(201, merchant_out(actions.add_merchant(wanted)))


@router.patch("/merchants/{app_id}", response={200: MerchantOut, **PROBLEMS})
def change_merchant(request: HttpRequest, app_id: str, wanted: MerchantChange) -> Any:
    """Set a merchant's balance, name or public key."""
    return merchant_out(actions.change_merchant(app_id, wanted))


class BuyerOut(Schema):
    logon_id: str
    password: str
    user_id: str


class BuyersOut(Schema):
    items: list[BuyerOut]


@router.get("/buyers", response={200: BuyersOut, **PROBLEMS})
def list_buyers(request: HttpRequest) -> Any:
    """The test buyers; the first is the usual one."""
    return {"items": list(Buyer.objects.order_by("pk"))}
