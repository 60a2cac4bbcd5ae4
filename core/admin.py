"""What every page of the shop's books shares."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core import spreadsheets
from core.spreadsheets import Column
from core.spreadsheets.writing import table

# What is asked about most often comes first; what is not named here comes last.
LISTS = (
    "orders.Order",
    "payments.Payment",
    "payments.Refund",
    "books.Difference",
    "books.Bill",
    "payments.Notice",
    "payments.JournalEntry",
    "books.AuditReport",
    "products.Product",
    "products.StockMovement",
    "products.Category",
    "letters.Letter",
    "users.User",
    "auth.Group",
)


class ShopAdmin(admin.AdminSite):
    """Django's `admin.site`, with the shop's name, and its lists in the order of the work."""

    site_title = site_header = _("Guitai counter")
    index_title = _("The operator's desk")

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the apps, and the models of each, in the order of LISTS."""
        apps = super().get_app_list(request, app_label)
        for app in apps:
            app["models"].sort(key=lambda entry: place(entry["model"]))
        return sorted(apps, key=lambda app: min(place(entry["model"]) for entry in app["models"]))


def place(model: type[Model]) -> int:
    return LISTS.index(model._meta.label) if model._meta.label in LISTS else len(LISTS)


class AttentionFilter(admin.SimpleListFilter):
    """A list's rows that somebody should look at: by a name in the address, a set of rows."""

    title = _("what needs a look")
    parameter_name = "concern"
    rows: dict[str, tuple[Any, Callable[[Any], Any]]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, words) for name, (words, _rows) in self.rows.items()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        name = self.value()
        if name not in self.rows:
            return queryset
        _words, rows = self.rows[name]
        return rows(queryset)


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
                gettext("These are more than %(most)s rows: narrow them down by the filters.")
                % {"most": spreadsheets.MAX_WRITTEN},
            )
            changelist = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
            return redirect(f"{reverse(changelist)}?{request.GET.urlencode()}")
        rows = rows.prefetch_related(*self.export_prefetch)
        return table(
            kind,
            name=str(self.opts.model_name),
            columns=self.export_columns,
            rows=rows.iterator(chunk_size=1000),
        )


def changelist(model: type[Model], **filters: str) -> str:
    """Return the address of a model's list, of these rows."""
    opts = model._meta
    address = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    return f"{address}?{urlencode(filters)}" if filters else address


def page(row: Model) -> str:
    """Return the address of a row's page."""
    opts = row._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])
