"""The journal, for the bookkeeper: to look at, to search, to take along as a spreadsheet."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.admin import Exported, ReadOnly
from core.spreadsheets import Column
from payments.journal import Account, JournalEntry

COLUMNS = [
    Column("at", _("at"), lambda entry: entry.at),
    Column("what", _("what"), JournalEntry.get_what_display),
    Column("debit", _("debit"), JournalEntry.get_debit_display),
    Column("credit", _("credit"), JournalEntry.get_credit_display),
    Column("amount", _("amount (yuan)"), lambda entry: entry.amount),
    Column("order_id", _("order number"), lambda entry: entry.payment.order.order_id),
    Column("out_trade_no", "out_trade_no", lambda entry: entry.payment.out_trade_no),
    Column("trade_no", "trade_no", lambda entry: entry.payment.trade_no),
    Column(
        "out_request_no",
        "out_request_no",
        lambda entry: entry.refund.out_request_no if entry.refund else "",
    ),
]


class AccountFilter(admin.SimpleListFilter):
    """Entries that touch an account, on either side."""

    title = _("account")
    parameter_name = "account"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, Any]]:
        return Account.choices

    def queryset(self, request: Any, queryset: Any) -> Any:
        if self.value() not in Account.values:
            return queryset
        return queryset.filter(Q(debit=self.value()) | Q(credit=self.value()))


@admin.register(JournalEntry)
class JournalEntryAdmin(ReadOnly, Exported):
    list_display = ("at", "what", "debit", "credit", "amount", "payment", "refund")
    list_filter = ("what", AccountFilter, "at")
    list_select_related = ("payment__order", "refund")
    list_per_page = 100
    show_full_result_count = False
    search_fields = ("payment__out_trade_no", "payment__trade_no", "refund__out_request_no")
    search_help_text = "out_trade_no · trade_no · out_request_no"
    fields = ("at", "what", "debit", "credit", "amount", "payment", "refund")
    export_columns = COLUMNS
