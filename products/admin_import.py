"""The page on which an operator brings a file of products back."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core.spreadsheets import MAX_FILE, MAX_ROWS, Unreadable
from products import imports
from products.spreadsheets import COLUMNS


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("file"),
        widget=forms.FileInput(attrs={"accept": ".xlsx,.csv"}),
        help_text=format_lazy(
            _("XLSX or CSV, up to {rows} rows and {size} MB."), rows=MAX_ROWS, size=MAX_FILE >> 20
        ),
    )


class ImportAdmin(admin.ModelAdmin):
    """A list of products with a page that imports a file."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.import_file)
        return [path("import/", view, name="products_product_import"), *super().get_urls()]

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def import_file(self, request: HttpRequest) -> HttpResponse:
        """Show what a file would do; do it when the operator has seen that and says so."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        if "draft" in request.POST:
            return self.carry_out(request)
        form, outcome = UploadForm(request.POST or None, request.FILES or None), None
        if form.is_valid():
            try:
                outcome = imports.preview(form.cleaned_data["file"], by=request.user)
            except Unreadable as trouble:
                form.add_error("file", str(trouble))
        return self.import_page(request, form, outcome)

    def carry_out(self, request: HttpRequest) -> HttpResponse:
        number = request.POST["draft"]
        done = imports.carry_out(int(number), by=request.user) if number.isdecimal() else None
        if done is None:
            messages.error(request, _("This import was done or is too old: choose the file."))
            return redirect("admin:products_product_import")
        if done.troubles:
            return self.import_page(request, UploadForm(), done)
        messages.success(
            request,
            _("Imported: %(added)s new, %(changed)s changed, %(same)s as they were.")
            % {"added": done.added, "changed": done.changed, "same": done.unchanged},
        )
        return redirect("admin:products_product_changelist")

    def import_page(
        self, request: HttpRequest, form: UploadForm, outcome: imports.Outcome | None
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Import products"),
            "opts": self.opts,
            "form": form,
            "outcome": outcome,
            "columns": COLUMNS,
        }
        is_refused = form.errors or (outcome and outcome.troubles)
        status = 422 if is_refused else 200
        return render(request, "admin/products/product/import.html", context, status=status)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_import": self.has_import_permission(request)}
        return super().changelist_view(request, context | (extra_context or {}))
