"""The orders, to look at."""

from django.contrib import admin

from core.admin import ReadOnly
from orders.models import Order, OrderItem


class OrderItemInline(ReadOnly, admin.TabularInline):
    model = OrderItem
    fields = ("product", "product_name", "price_at_purchase", "quantity")
    readonly_fields = fields
    extra = 0


@admin.register(Order)
class OrderAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("order_id", "user", "status", "total_price", "created_at", "paid_at")
    list_filter = ("status", "payment_method", "created_at")
    list_select_related = ("user",)
    list_per_page = 50
    search_fields = ("order_id", "transaction_id", "user__username", "user__email")
    search_help_text = "order_id · trade_no · username"
    inlines = (OrderItemInline,)
    fields = (
        *("order_id", "user", "status", "total_price", "payment_method", "transaction_id"),
        *("paid_at", "expires_at", "restocked_at", "created_at", "updated_at"),
    )
