"""The payments, the refunds, and what Alipay sent about them: to look at, with their buttons."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from core.admin import AttentionFilter, ReadOnly
from core.buttons import WithButtons
from orders.admin import OrderAdmin
from orders.models import Order
from payments import spreadsheets
from payments.admin_journal import JournalEntryAdmin
from payments.buttons import ON_NOTICE, ON_ORDER, ON_PAYMENT, ON_REFUND
from payments.models.notice import Notice
from payments.models.payment import Payment, PaymentQuerySet
from payments.models.refund import Refund, RefundQuerySet, late_money

# Django looks for pages here only.
__all__ = [
    "JournalEntryAdmin",
    "NoticeAdmin",
    "PayableOrderAdmin",
    "PaymentAdmin",
    "RefundAdmin",
]


class PaymentAttentionFilter(AttentionFilter):
    """What the desk counts."""

    rows = {
        "unclear": (_("unclear for an hour"), PaymentQuerySet.unclear),
        "late": (_("late money, not yet back"), late_money),
        "due": (_("due now"), PaymentQuerySet.due),
    }


class RefundAttentionFilter(AttentionFilter):
    """What the desk counts."""

    rows = {
        "unclear": (_("unclear for an hour"), RefundQuerySet.unclear),
        "sales": (_("of sales, without late money"), RefundQuerySet.of_sales),
        "failed": (_("failed, the money still here"), RefundQuerySet.failed),
        "due": (_("due now"), RefundQuerySet.due),
    }


class NoticeInline(ReadOnly, admin.TabularInline):
    model = Notice
    fields = ("received_at", "trade_status", "verdict", "reason", "notify_id")
    readonly_fields = fields
    show_change_link = True
    extra = 0


class RefundInline(ReadOnly, admin.TabularInline):
    model = Refund
    fields = ("created_at", "amount", "status", "cause", "last_answer", "done_at")
    readonly_fields = fields
    show_change_link = True
    extra = 0


admin.site.unregister(Order)


@admin.register(Order)
class PayableOrderAdmin(OrderAdmin):
    """Asking about an order, cancelling it and refunding it are stories of payments; so is what it
    brought in the end.
    """

    buttons = ON_ORDER
    export_columns = [*OrderAdmin.export_columns, *spreadsheets.COLUMNS]
    export_prefetch = (*OrderAdmin.export_prefetch, *spreadsheets.PREFETCH)


@admin.register(Payment)
class PaymentAdmin(ReadOnly, WithButtons):
    buttons = ON_PAYMENT
    list_display = ("out_trade_no", "order", "status", "amount", "trade_no", "paid_at")
    list_filter = (PaymentAttentionFilter, "status", "kind", "created_at")
    list_select_related = ("order",)
    list_per_page = 50
    search_fields = ("out_trade_no", "trade_no", "order__order_id", "order__user__username")
    search_help_text = "out_trade_no · trade_no · order_id · username"
    inlines = (RefundInline, NoticeInline)
    fields = (
        "order",
        "out_trade_no",
        "kind",
        "amount",
        "status",
        "trade_no",
        "paid_at",
        "billed_on",
        "time_expire",
        "due_at",
        "tries",
        "unclear_since",
        "created_at",
        "updated_at",
    )


@admin.register(Notice)
class NoticeAdmin(ReadOnly, WithButtons):
    buttons = ON_NOTICE
    list_display = ("received_at", "out_trade_no", "trade_status", "verdict", "reason")
    list_filter = ("verdict", "is_genuine", "trade_status", "received_at")
    list_per_page = 50
    search_fields = (
        "out_trade_no",
        "trade_no",
        "notify_id",
        "payment__order__order_id",
        "payment__order__user__username",
    )
    search_help_text = "out_trade_no · trade_no · notify_id · order_id · username"
    fields = (
        "received_at",
        "verdict",
        "reason",
        "is_genuine",
        "payment",
        "out_trade_no",
        "trade_no",
        "trade_status",
        "total_amount",
        "notify_id",
        "sha256",
        "raw",
    )


@admin.register(Refund)
class RefundAdmin(ReadOnly, WithButtons):
    buttons = ON_REFUND
    list_display = ("out_request_no", "payment", "amount", "status", "cause", "created_at")
    list_filter = (RefundAttentionFilter, "status", "cause", "created_at", "done_at")
    list_select_related = ("payment",)
    list_per_page = 50
    search_fields = (
        "out_request_no",
        "payment__out_trade_no",
        "payment__trade_no",
        "payment__order__order_id",
        "payment__order__user__username",
    )
    search_help_text = "out_request_no · out_trade_no · trade_no · order_id · username"
    fields = (
        "payment",
        "out_request_no",
        "amount",
        "status",
        "cause",
        "reason",
        "restocks",
        "requested_by",
        "approved_by",
        "last_answer",
        "due_at",
        "tries",
        "unclear_since",
        "created_at",
        "done_at",
        "billed_on",
    )
