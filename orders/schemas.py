"""What crosses the wire about orders. No price and no total is ever read from it."""

from datetime import datetime

from django.utils.translation import gettext_lazy as _
from ninja import Schema
from pydantic import Field, field_validator

from core.money import Money
from core.operations import RowId
from orders.models import Order, OrderStatus, PaymentMethod
from products.schemas import QuantityIn

MAX_LINES = 50


class BuyNowIn(QuantityIn):
    pass


class OrderLineIn(QuantityIn):
    product_id: RowId


class OrderIn(Schema):
    items: list[OrderLineIn] = Field(min_length=1, max_length=MAX_LINES)

    @field_validator("items")
    @classmethod
    def each_product_once(cls, items: list[OrderLineIn]) -> list[OrderLineIn]:
        if len({item.product_id for item in items}) < len(items):
            raise ValueError(_("Name each product once."))
        return items

    @property
    def quantities(self) -> dict[int, int]:
        return {item.product_id: item.quantity for item in self.items}


class OrderItemOut(Schema):
    product_id: int
    product_name: str
    quantity: int
    price_at_purchase: Money
    line_total: Money


class OrderOut(Schema):
    order_id: str
    status: OrderStatus
    total_price: Money
    payment_method: PaymentMethod | None
    transaction_id: str | None
    paid_at: datetime | None
    expires_at: datetime
    created_at: datetime
    updated_at: datetime
    payment_url: str = Field(description="The page on which this order is paid.")
    items: list[OrderItemOut]

    @staticmethod
    def resolve_payment_method(order: Order) -> str | None:
        return order.payment_method or None

    @staticmethod
    def resolve_transaction_id(order: Order) -> str | None:
        return order.transaction_id or None

    @staticmethod
    def resolve_payment_url(order: Order) -> str:
        return order.get_payment_url()


class OrdersOut(Schema):
    items: list[OrderOut]
    count: int
