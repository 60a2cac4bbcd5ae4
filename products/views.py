"""The catalogue, and the page of one product."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe
from pydantic import ValidationError

from core.negotiation import Audience, audience, htmx
from core.problems import sentence
from products.models import Category, Product, Quote
from products.schemas import QuantityIn

PAGE_SIZE = 12
MAX_Q = 100


@require_safe
def product_list(request: HttpRequest) -> HttpResponse:
    """Show what is on sale; htmx gets the results alone."""
    q = request.GET.get("q", "").replace("\0", "").strip()[:MAX_Q]
    category = request.GET.get("category", "").replace("\0", "")
    found = Product.objects.on_sale().matching(q=q, category=category)
    context = {
        "q": q,
        "category": category,
        "categories": Category.objects.all(),
        "page_obj": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
    }
    wants_results = audience(request) is Audience.HTMX
    part = "#results" if wants_results and not htmx(request).history_restore_request else ""
    return render(request, f"products/list.html{part}", context)


def product_detail(request: HttpRequest, product_id: int) -> HttpResponse:
    """Show a product and what a quantity of it costs.

    Without JavaScript the quantity is a part of this page's address. A refused purchase comes
    back here, its words beside the quantity (`core.problems.show_form_again`).
    """
    product = get_object_or_404(Product.objects.on_sale(), id=product_id)
    typed = request.POST.get("quantity", request.GET.get("quantity", "1"))
    refusal = getattr(request, "refusal", None)
    context: dict[str, Any] = {"product": product, "quantity": typed[:20]}
    if refusal:
        context |= {"quote": None, "quantity_error": refusal.words}
    else:
        quote, words = _quote(product, typed)
        context |= {"quote": quote, "quantity_error": words}
    part = f"#{refusal.element_id}" if htmx(request) and refusal else ""
    return render(request, f"products/detail.html{part}", context)


def _quote(product: Product, typed: str) -> tuple[Quote | None, str]:
    """Return the quote for what was typed, or the words that say what is wrong with it."""
    try:
        quote = product.quote(QuantityIn.model_validate({"quantity": typed}).quantity)
    except ValidationError as error:
        return None, sentence(error.errors()[0])
    return quote, quote.shortage
