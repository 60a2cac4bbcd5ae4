"""What each night's audit found, to look at."""

import re
from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from core.admin import ReadOnly
from payments.audit import kept
from payments.audit_report import AuditReport

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
