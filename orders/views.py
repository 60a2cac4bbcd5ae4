"""The buyer's own orders."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from core.problems import login_required
from orders.models import Order

PAGE_SIZE = 10


@require_safe
@login_required
def order_list(request: HttpRequest) -> HttpResponse:
    orders = Order.objects.of(request.user).prefetch_related("items__product")
    page_obj = Paginator(orders, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "orders/list.html", {"page_obj": page_obj})


@require_safe
@login_required
def order_detail(request: HttpRequest, order_id: str) -> HttpResponse:
    orders = Order.objects.of(request.user).prefetch_related("items__product")
    order = get_object_or_404(orders, order_id=order_id)
    return render(request, "orders/detail.html", {"order": order})
