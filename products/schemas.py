"""What crosses the wire about products."""

from typing import Annotated

from ninja import Schema
from pydantic import Field

from core.money import Money
from core.operations import WHOLE_NUMBER, Page, Text
from products.models import MAX_QUANTITY, Product, Quote

# The quantity rule; the input's min and max and the database's checks say the same.
Quantity = Annotated[int, Field(ge=1, le=MAX_QUANTITY), WHOLE_NUMBER]


class QuantityIn(Schema):
    quantity: Quantity


class ProductFilter(Page):
    q: Text = Field("", max_length=100, description="Part of the name or description.")
    category: Text = Field("", max_length=50, description="A category's slug.")


class ProductOut(Schema):
    id: int
    name: str
    description: str
    category: str | None = Field(description="The category's slug.")
    category_name: str | None
    price: Money
    stock: int
    picture: str | None = Field(description="The address of a picture, on this host.")

    @staticmethod
    def resolve_category(product: Product) -> str | None:
        return product.category.slug if product.category else None

    @staticmethod
    def resolve_category_name(product: Product) -> str | None:
        return product.category.name if product.category else None

    @staticmethod
    def resolve_picture(product: Product) -> str | None:
        return product.picture.url if product.picture else None


class ProductsOut(Schema):
    items: list[ProductOut]
    count: int


class QuoteOut(Schema):
    """A price, now; it promises nothing."""

    product_id: int
    quantity: int
    unit_price: Money
    total_price: Money
    is_available: bool
    left: int

    @staticmethod
    def resolve_product_id(quote: Quote) -> int:
        return quote.product.id
