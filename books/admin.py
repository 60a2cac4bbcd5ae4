"""Alipay's bills, what in them differs, and what audits found: run a day again, resolve."""

import re
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from books.audit import kept
from books.models import AuditReport, Bill, Difference
from core.admin import ReadOnly
from core.buttons import Button, Link, WithButtons
from payments.models.payment import Payment
from payments.models.refund import Refund
from users.models import User


class ResolutionForm(forms.Form):
    reason = forms.CharField(
        label=_("reason"),
        max_length=200,
        help_text=_("Why it may stand as it is: whoever keeps the books will read it."),
    )


def run_again(bill: Bill, *, by: User) -> str:
    bill.ask_again()
    return gettext("The worker fetches this bill within a minute.")


def what_running_again_does(bill: Bill) -> str:
    return gettext(
        "Alipay's bill of {day} is fetched once more and compared row by row. Nothing is booked "
        "twice; what no longer differs is marked as mended."
    ).format(day=bill)


def resolve(difference: Difference, *, by: User, reason: str) -> str:
    difference.resolve(reason=reason, by=by)
    return gettext("The difference is resolved.")


def what_differs(difference: Difference) -> str:
    """Say both sides of it, and what to do before it is resolved."""
    here = f"{difference.our_amount or '–'} {our_status(difference)}"
    there = f"{difference.their_amount or '–'} {difference.their_status}"
    words = gettext("{day}, {number}. Here: {here}. At Alipay: {there}.").format(
        day=difference.bill,
        number=f"{difference.out_trade_no} {difference.out_request_no}".strip(),
        here=here.strip(),
        there=there.strip(),
    )
    return f"{words}\n\n{difference.advice}"


def our_status(difference: Difference) -> str:
    """Say in words what it is here."""
    is_refund = difference.movement == Difference.Movement.REFUND
    choices = dict(Refund.Status.choices if is_refund else Payment.Status.choices)
    return str(choices.get(difference.our_status, difference.our_status))


AGAIN = Button(
    name="again",
    permission="payments.ask_payment",
    label=_("Run this day again"),
    confirmation=what_running_again_does,
    do=run_again,
    is_available=lambda bill: True,
)
RESOLVE = Button(
    name="resolve",
    permission="books.resolve_difference",
    label=_("Resolve"),
    confirmation=what_differs,
    do=resolve,
    is_available=lambda difference: difference.is_open,
    form=ResolutionForm,
)
AGAIN_FROM_DIFFERENCE = Link(
    permission=AGAIN.permission,
    label=AGAIN.label,
    address=lambda difference: AGAIN.address(difference.bill),
    is_available=lambda difference: difference.is_open,
)


@admin.register(Bill)
class BillAdmin(ReadOnly, WithButtons):
    buttons = (AGAIN,)
    list_display = (
        "day",
        "status",
        "open_differences",
        "payments",
        "paid",
        "refunds",
        "refunded",
        "fees",
        "reason",
    )
    list_filter = ("status",)
    date_hierarchy = "day"
    list_per_page = 50
    fields = (
        "day",
        "status",
        "reason",
        "open_differences",
        "payments",
        "paid",
        "refunds",
        "refunded",
        "fees",
        "fetched_at",
        "due_at",
        "tries",
        "as_it_came",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Bill]:
        still_open = Count("differences", filter=Q(differences__status=Difference.Status.OPEN))
        return super().get_queryset(request).annotate(still_open=still_open)

    @admin.display(description=_("open differences"), ordering="still_open")
    def open_differences(self, bill: Any) -> Any:
        """Say how many there are, and lead to them."""
        if not bill.still_open:
            return 0
        address = reverse("admin:books_difference_changelist")
        query = f"bill__id__exact={bill.pk}&status__exact={Difference.Status.OPEN}"
        return format_html('<a href="{}?{}">{}</a>', address, query, bill.still_open)

    @admin.display(description=_("as it came"))
    def as_it_came(self, bill: Bill) -> Any:
        """Lead to what could not be read."""
        if bill.status != Bill.Status.MALFORMED:
            return "–"
        address = reverse("admin:books_bill_raw", args=[bill.pk])
        return format_html('<a href="{}">{}</a>', address, _("Download"))

    def get_urls(self) -> list[URLPattern]:
        raw = path(
            "<int:bill_id>/raw/", self.admin_site.admin_view(self.raw), name="books_bill_raw"
        )
        return [raw, *super().get_urls()]

    def raw(self, request: HttpRequest, bill_id: int) -> HttpResponse:
        """Hand out what could not be read, as it came."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        bill = get_object_or_404(Bill, pk=bill_id)
        if bill.raw is None:
            raise Http404
        return HttpResponse(
            bytes(bill.raw),
            content_type="application/octet-stream",
            headers={"Content-Disposition": f'attachment; filename="bill-{bill}.bin"'},
        )


@admin.register(Difference)
class DifferenceAdmin(ReadOnly, WithButtons):
    buttons = (RESOLVE, AGAIN_FROM_DIFFERENCE)
    list_display = (
        "bill",
        "kind",
        "movement",
        "out_trade_no",
        "our_amount",
        "their_amount",
        "here",
        "their_status",
        "status",
    )
    list_display_links = ("kind", "out_trade_no")
    list_filter = ("status", "kind", "movement")
    list_select_related = ("bill",)
    list_per_page = 50
    date_hierarchy = "bill__day"
    search_fields = ("out_trade_no", "out_request_no", "trade_no", "resolution")
    search_help_text = "out_trade_no · out_request_no · trade_no"
    fields = (
        "bill",
        "kind",
        "movement",
        "advice",
        "out_trade_no",
        "out_request_no",
        "trade_no",
        "our_amount",
        "their_amount",
        "here",
        "their_status",
        "payment",
        "refund",
        "status",
        "found_at",
        "resolved_at",
        "resolved_by",
        "resolution",
    )

    @admin.display(description=_("our status"))
    def here(self, difference: Difference) -> str:
        return our_status(difference)

    @admin.display(description=_("what to do"))
    def advice(self, difference: Difference) -> Any:
        return difference.advice

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "bill__id__exact" or super().lookup_allowed(lookup, value, request)


ROW = re.compile(r"(\w+) (\d+) ")


@admin.register(AuditReport)
class AuditReportAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("at", "count", "seconds")
    list_filter = ("at",)
    list_per_page = 50
    fields = ("at", "count", "seconds", "what_was_found")

    @admin.display(description=_("what does not add up"))
    def what_was_found(self, report: AuditReport) -> Any:
        """Show the findings as a table: the check, the row, what is wrong with it."""
        if not report.findings:
            return "–"
        rows = format_html_join(
            "",
            "<tr><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
            ((found.check, linked(found.row), found.words) for found in kept(report)),
        )
        return format_html("<table>{}</table>", rows)


def linked(row: str) -> Any:
    """Lead to the page of a row, of those that have one."""
    pages = {model.__name__: model for model in admin.site._registry}
    if (named := ROW.match(row)) and (model := pages.get(named[1])):
        opts = model._meta
        address = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[named[2]])
        return format_html('<a href="{}">{}</a>', address, row)
    return row
