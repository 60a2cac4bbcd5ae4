"""What each night's audit found, to look at."""

from typing import Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from core.admin import ReadOnly
from payments.audit_report import AuditReport


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
            ((found["check"], found["row"], found["words"]) for found in report.findings),
        )
        return format_html("<table>{}</table>", rows)
