"""The payments, the refunds, and what Alipay sent about them; and the one thing to do: refund."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from core.admin import ReadOnly
from core.money import LARGEST, SMALLEST
from payments.exceptions import RefundTooHigh
from payments.models import Notice, Payment, Refund
from payments.refunds import request_refund


class RefundForm(forms.Form):
    amount = forms.DecimalField(
        label=_("amount (yuan)"),
        min_value=SMALLEST,
        max_value=LARGEST,
        max_digits=11,
        decimal_places=2,
    )
    reason = forms.CharField(
        label=_("reason"), max_length=200, help_text=_("The buyer reads it here and in Alipay.")
    )
    restocks = forms.BooleanField(
        label=_("The goods come back to the stock"),
        required=False,
        help_text=_("All of the order's goods, once."),
    )


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


@admin.register(Payment)
class PaymentAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("out_trade_no", "order", "status", "amount", "trade_no", "paid_at")
    list_filter = ("status", "created_at")
    list_select_related = ("order",)
    list_per_page = 50
    search_fields = ("out_trade_no", "trade_no", "order__order_id", "order__user__username")
    search_help_text = "out_trade_no · trade_no · order_id · username"
    inlines = (RefundInline, NoticeInline)
    change_form_template = "admin/payments/payment/change_form.html"
    fields = (
        *("order", "out_trade_no", "amount", "status", "trade_no"),
        *("paid_at", "time_expire", "due_at", "tries", "created_at", "updated_at"),
    )

    def get_urls(self) -> list[URLPattern]:
        refund = path(
            "<int:payment_id>/refund/",
            self.admin_site.admin_view(self.refund),
            name="payments_payment_refund",
        )
        return [refund, *super().get_urls()]

    def refund(self, request: HttpRequest, payment_id: int) -> HttpResponse:
        """Ask how much is to go back and why; write it down, and let the worker send it."""
        if not request.user.has_perm("payments.add_refund"):
            raise PermissionDenied
        payment = get_object_or_404(Payment, pk=payment_id)
        form = RefundForm(request.POST or None, initial={"amount": payment.refundable()})
        if request.method == "POST" and form.is_valid():
            try:
                refund = request_refund(payment, by=request.user, **form.cleaned_data)
            except RefundTooHigh as problem:
                form.add_error("amount", problem.errors["amount"][0])
            else:
                self.log_change(request, payment, f"refund {refund}: {refund.amount}")
                messages.success(
                    request, _("The refund is on its way; look here what became of it.")
                )
                return redirect("admin:payments_payment_change", payment.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Refund"),
            "form": form,
            "payment": payment,
            "opts": self.opts,
        }
        return render(request, "admin/payments/payment/refund.html", context)


@admin.register(Notice)
class NoticeAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("received_at", "out_trade_no", "trade_status", "verdict", "reason")
    list_filter = ("verdict", "trade_status", "received_at")
    list_per_page = 50
    search_fields = (
        *("out_trade_no", "trade_no", "notify_id"),
        *("payment__order__order_id", "payment__order__user__username"),
    )
    search_help_text = "out_trade_no · trade_no · notify_id · order_id · username"
    fields = (
        *("received_at", "verdict", "reason", "payment", "out_trade_no", "trade_no"),
        *("trade_status", "notify_id", "raw"),
    )


@admin.register(Refund)
class RefundAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("out_request_no", "payment", "amount", "status", "cause", "created_at")
    list_filter = ("status", "cause", "created_at")
    list_select_related = ("payment",)
    list_per_page = 50
    search_fields = (
        *("out_request_no", "payment__out_trade_no", "payment__trade_no"),
        *("payment__order__order_id", "payment__order__user__username"),
    )
    search_help_text = "out_request_no · out_trade_no · trade_no · order_id · username"
    fields = (
        *("payment", "out_request_no", "amount", "status", "cause", "reason", "restocks"),
        *("requested_by", "last_answer", "due_at", "tries", "created_at", "done_at"),
    )
