"""The orders, to look at, each with its story, and to take along."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from core.admin import Exported, ReadOnly
from core.buttons import WithButtons
from orders.models import Order, OrderItem
from orders.spreadsheets import COLUMNS


class OrderItemInline(ReadOnly, admin.TabularInline):
    model = OrderItem
    fields = ("product", "product_name", "price_at_purchase", "quantity")
    readonly_fields = fields
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderItem]:
        return super().get_queryset(request).select_related("product")


@admin.register(Order)
class OrderAdmin(ReadOnly, Exported, WithButtons):
    change_form_template = "admin/orders/order/change_form.html"
    list_display = ("order_id", "user", "status", "total_price", "created_at", "paid_at")
    list_filter = ("status", "payment_method", "created_at", "paid_at")
    list_select_related = ("user",)
    list_per_page = 50
    search_fields = ("order_id", "transaction_id", "user__username", "user__email")
    search_help_text = "order_id · trade_no · username"
    inlines = (OrderItemInline,)
    export_columns = COLUMNS
    export_prefetch: tuple[str, ...] = ("items",)
    fields = (
        "order_id",
        "user",
        "status",
        "total_price",
        "payment_method",
        "transaction_id",
        "paid_at",
        "expires_at",
        "restocked_at",
        "created_at",
        "updated_at",
    )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Tell the order's story below its goods, oldest first."""
        order = kwargs.get("obj")
        context["story"] = order.events.select_related("by") if order else []
        return super().render_change_form(request, context, *args, **kwargs)
