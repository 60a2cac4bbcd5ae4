"""/api/v1/products: what there is, and what a quantity of it costs."""

from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router

from core.negotiation import fragment
from core.operations import refusals
from core.problems import FORM_PAGES, FormPage
from products.models import Product, Quote
from products.schemas import (
    ProductFilter,
    ProductOut,
    ProductsOut,
    QuantityIn,
    QuoteOut,
)

router = Router()


@router.get("", response={200: ProductsOut, **refusals(422)})
def list_products(request: HttpRequest, wanted: Query[ProductFilter]) -> dict[str, Any]:
    """List what is on sale, a page at a time; search it, or keep to one category."""
    products = Product.objects.on_sale().matching(q=wanted.q, category=wanted.category)
    return wanted.of(products.select_related("category"))


@router.get("/{int:product_id}", response={200: ProductOut, **refusals(404)})
def get_product(request: HttpRequest, product_id: int) -> Product:
    """Show one product that is on sale."""
    products = Product.objects.on_sale().select_related("category")
    return get_object_or_404(products, id=product_id)


FORM_PAGES["api:quote"] = FormPage("products:detail", element_id="quote")


@router.get("/{int:product_id}/quote", response={200: QuoteOut, **refusals(404, 422)})
@fragment("products/detail.html#quote", "quote")
def quote(request: HttpRequest, product_id: int, choice: Query[QuantityIn]) -> Quote:
    """Price a quantity of a product, and say whether it can be had; promise nothing."""
    return get_object_or_404(Product.objects.on_sale(), id=product_id).quote(choice.quantity)
