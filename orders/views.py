"""The buyer's own orders."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core.problems import login_required
from orders.models import Order
from users.requests import UserRequest

PAGE_SIZE = 10


@require_safe
@login_required
def order_list(request: UserRequest) -> HttpResponse:
    orders = Order.objects.of(request.user).prefetch_related("items__product")
    page_obj = Paginator(orders, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "orders/list.html", {"page_obj": page_obj})


@require_safe
@login_required
def order_detail(request: UserRequest, order_id: str) -> HttpResponse:
    orders = Order.objects.prefetch_related("items__product")
    order = orders.own_or_404(request.user, order_id)
    return render(request, "orders/detail.html", {"order": order})
