"""What every page of the shop's books shares."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from core import spreadsheets
from core.spreadsheets import Column


class ReadOnly:
    """Money is looked at in the admin; only the stories of orders and payments change it."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Exported(admin.ModelAdmin):
    """A list that leaves as a spreadsheet: what its filters and its search let through."""

    change_list_template = "admin/exported_change_list.html"
    export_columns: list[Column] = []
    # Relations that the columns look at, beyond those of the list.
    export_prefetch: tuple[str, ...] = ()

    def get_urls(self) -> list[URLPattern]:
        export = path(
            "export/<slug:kind>/",
            self.admin_site.admin_view(self.export),
            name=f"{self.opts.app_label}_{self.opts.model_name}_export",
        )
        return [export, *super().get_urls()]

    def export(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """Answer with the rows of the list, all pages of it, as a file."""
        if kind not in spreadsheets.KINDS:
            raise Http404
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = self.get_changelist_instance(request).get_queryset(request)
        if rows.count() > spreadsheets.MAX_WRITTEN:
            messages.error(
                request,
                _("These are more than %(most)s rows: narrow them down by the filters.")
                % {"most": spreadsheets.MAX_WRITTEN},
            )
            changelist = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
            return redirect(f"{reverse(changelist)}?{request.GET.urlencode()}")
        rows = rows.prefetch_related(*self.export_prefetch)
        return spreadsheets.table(
            kind,
            name=str(self.opts.model_name),
            columns=self.export_columns,
            rows=rows.iterator(chunk_size=1000),
        )
