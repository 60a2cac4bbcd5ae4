"""/api/v1/orders/{order_id}/…: to pay an order, to cancel it, and, for the staff, to refund it."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Header, Query, Router, Schema, Status
from pydantic import AfterValidator, Field, StringConstraints

from core.money import LARGEST, SMALLEST, Money
from core.operations import AMOUNT, WITHOUT_NUL, SessionAuth, refusals
from core.problems import Forbidden
from orders.models import Order
from orders.schemas import OrderOut
from payments import attempts
from payments.exceptions import KeyInvalid, NothingToRefund
from payments.expiry import cancel_now
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.refunds import approve, request_refund
from users.requests import UserRequest

router = Router(auth=SessionAuth())


class PaymentOut(Schema):
    payment_url: str


class PayIn(Schema):
    """How to pay; the device decides when nothing is said."""

    kind: Payment.Kind | None = Field(None, description="page, wap (phones) or qr")


@router.post(
    "/{order_id}/payment", response={200: PaymentOut, **refusals(401, 403, 404, 409, 422, 503)}
)
def pay_order(request: UserRequest, order_id: str, way: Query[PayIn]) -> dict[str, str]:
    """Begin to pay an order: send the buyer's browser to this address of Alipay's.

    With ``kind=qr`` it is what the buyer's wallet is to scan.
    """
    order = Order.objects.prefetch_related("items").own_or_404(request.user, order_id)
    if way.kind is Payment.Kind.QR:
        return {"payment_url": attempts.qr_code(request, order)}
    kind = way.kind or attempts.kind_for(request)
    return {"payment_url": attempts.pay_url(request, order, kind)}


@router.post("/{order_id}/cancel", response={200: OrderOut, **refusals(401, 403, 404, 409, 503)})
def cancel_order(request: UserRequest, order_id: str) -> Order:
    """Cancel an unpaid order: its stock goes back."""
    order = Order.objects.prefetch_related("items").own_or_404(request.user, order_id)
    cancel_now(order, by=request.user)
    return order


Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), WITHOUT_NUL
]


class RefundIn(Schema):
    amount: Annotated[Decimal, AMOUNT] = Field(
        ge=SMALLEST, le=LARGEST, max_digits=11, decimal_places=2
    )
    reason: Reason
    restocks: bool = Field(False, description="Give all of the order's goods back to the stock.")


def valid_key(key: str | None) -> str | None:
    """Refuse a key that cannot be told from others; None is that there was no header.

    The server hands over a header that it cannot read as an empty one: that is a key, and no valid
    one.
    """
    if key is not None and not re.fullmatch(r"[!-~]{1,255}", key):
        raise KeyInvalid
    return key


IdempotencyKey = Annotated[
    str | None,
    AfterValidator(valid_key),
    Header(None, alias="Idempotency-Key", description="1 to 255 visible ASCII characters"),
]


class RefundOut(Schema):
    out_request_no: str
    amount: Money
    status: Refund.Status
    reason: str
    created_at: datetime


class StaffAuth(SessionAuth):
    """The staff that may; whoever else asks does not learn which orders there are."""

    def __init__(self, permission: str) -> None:
        super().__init__()
        self.permission = permission

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        user = super().authenticate(request, key)
        if user and not user.has_perm(self.permission):
            raise Forbidden
        return user


@router.post(
    "/{order_id}/refunds",
    auth=StaffAuth("payments.add_refund"),
    response={201: RefundOut, **refusals(400, 401, 403, 404, 409, 413, 415, 422)},
)
def refund_order(
    request: UserRequest, order_id: str, wanted: RefundIn, key: IdempotencyKey
) -> Status[Refund]:
    """Refund a paid order, in full or in part; for the staff alone. The worker sends it.

    Repeated with the same ``Idempotency-Key``, as after a time-out, it is the same refund.
    """
    order = get_object_or_404(Order, order_id=order_id)
    payment = Payment.objects.that_paid(order)
    if payment is None:
        raise NothingToRefund
    refund = request_refund(payment, by=request.user, key=key, **wanted.dict())
    return Status(201, refund)


@router.post(
    "/{order_id}/refunds/{out_request_no}/approve",
    auth=StaffAuth("payments.approve_refund"),
    response={200: RefundOut, **refusals(401, 403, 404, 409)},
)
def approve_refund(request: UserRequest, order_id: str, out_request_no: str) -> Refund:
    """Approve a refund that waits for a second operator; the worker sends it then."""
    refunds = Refund.objects.filter(payment__order__order_id=order_id)
    refund = get_object_or_404(refunds, out_request_no=out_request_no)
    approve(refund, by=request.user)
    refund.refresh_from_db()
    return refund
