"""The goods, as the operator keeps them: one by one, many at once, or by a file."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from core.admin import AttentionFilter, Exported, ReadOnly
from core.spreadsheets import MAX_FILE, MAX_ROWS, Unreadable
from products import bulk, imports, pictures
from products.bulk import Change
from products.forms import ProductForm, RowForm
from products.models import Category, Product, ProductQuerySet, StockMovement
from products.spreadsheets import COLUMNS, MOVEMENT_COLUMNS


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    list_display = ("name", "slug", "position")
    list_editable = ("position",)
    prepopulated_fields = {"slug": ("name",)}


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("file"),
        widget=forms.FileInput(attrs={"accept": ".xlsx,.csv"}),
        help_text=format_lazy(
            _("XLSX or CSV, up to {rows} rows and {size} MB."), rows=MAX_ROWS, size=MAX_FILE >> 20
        ),
    )


class ProductAttentionFilter(AttentionFilter):
    rows = {"low": (_("low stock"), ProductQuerySet.low)}


@admin.register(Product)
class ProductAdmin(Exported):
    form = ProductForm
    list_display = ("preview", "name", "category", "price", "stock", "is_on_sale", "updated_at")
    list_display_links = ("name",)
    list_editable = ("price", "is_on_sale")
    list_filter = (ProductAttentionFilter, "is_on_sale", "category")
    list_select_related = ("category",)
    list_per_page = 50
    search_fields = ("name", "description")
    readonly_fields = ("large_preview", "created_at", "updated_at")
    change_list_template = "admin/products/product/change_list.html"
    change_form_template = "admin/products/product/change_form.html"
    export_columns = COLUMNS
    actions = ("change_prices", "correct_stock")

    def get_fields(self, request: HttpRequest, obj: Product | None = None) -> Any:
        is_corrected = obj is not None and request.user.has_perm("products.correct_stock")
        return [
            *("category", "name", "description", "price", "stock"),
            *(["reason"] if is_corrected and self.has_change_permission(request, obj) else []),
            *("is_on_sale", "picture", "large_preview", "created_at", "updated_at"),
        ]

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> type[forms.ModelForm]:
        form = super().get_form(request, *args, **kwargs)
        may = request.user.has_perm("products.correct_stock")
        return type(form.__name__, (form,), {"may_correct_stock": may})

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[forms.ModelForm]:
        return RowForm

    @admin.display(description=_("picture"))
    def preview(self, product: Product) -> SafeString | str:
        return picture(product, width=56)

    @admin.display(description=_("preview"))
    def large_preview(self, product: Product) -> SafeString | str:
        return picture(product, width=280)

    # One by one

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:
        """Write only what the operator changed; the stock by its difference.

        A purchase may have been made since the page was loaded, and must not be undone.
        """
        if not change:
            obj.save()
            return
        changed = [name for name in form.changed_data if name not in ("stock", "reason")]
        difference = form.stock_difference
        with transaction.atomic():
            if changed:
                obj.save(update_fields=[*changed, "updated_at"])
            if "picture" in changed and (before := form.initial["picture"]):
                pictures.forget(before.storage, before.name)
            if difference and not Product.correct(
                obj.pk,
                difference=difference,
                reason=form.cleaned_data["reason"],
                by=request.user,
            ):
                messages.error(
                    request,
                    _("%(product)s: fewer are left than you take away; the stock is unchanged.")
                    % {"product": obj},
                )
        obj.refresh_from_db(fields=["stock"])

    def delete_model(self, request: HttpRequest, obj: Product) -> None:
        before = obj.picture
        super().delete_model(request, obj)
        pictures.forget(before.storage, before.name)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        before = [product.picture for product in queryset]
        super().delete_queryset(request, queryset)
        for each in before:
            pictures.forget(each.storage, each.name)

    # Many at once

    def has_correct_stock_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("products.correct_stock")

    @admin.action(description=_("Change prices by a percentage…"), permissions=["change"])
    def change_prices(
        self, request: HttpRequest, queryset: QuerySet[Product]
    ) -> HttpResponse | None:
        return self.in_bulk(
            request,
            queryset,
            form=bulk.PriceForm(request.POST if "step" in request.POST else None),
            title=_("Change prices by a percentage"),
            plan=bulk.price_changes,
            write=bulk.write_price,
        )

    @admin.action(description=_("Correct the stock…"), permissions=["correct_stock"])
    def correct_stock(
        self, request: HttpRequest, queryset: QuerySet[Product]
    ) -> HttpResponse | None:
        form = bulk.StockForm(request.POST if "step" in request.POST else None)
        return self.in_bulk(
            request,
            queryset,
            form=form,
            title=_("Correct the stock"),
            plan=bulk.stock_changes,
            write=lambda change: bulk.write_stock(
                change, reason=form.cleaned_data["reason"], by=request.user
            ),
        )

    def in_bulk(
        self,
        request: HttpRequest,
        queryset: QuerySet[Product],
        *,
        form: forms.Form,
        title: Any,
        plan: Callable[..., list[Change]],
        write: Callable[[Change], None],
    ) -> HttpResponse | None:
        """Ask, show old → new, and do it; the same page comes back until it is done."""
        products = list(queryset.order_by("pk")[: bulk.MOST + 1])
        if len(products) > bulk.MOST:
            messages.error(
                request, _("Choose no more than %(most)s products.") % {"most": bulk.MOST}
            )
            return None
        changes: list[Change] = []
        if form.is_bound and form.is_valid():
            planned = partial(plan, **form.cleaned_data)
            if request.POST["step"] == "do":
                done = bulk.do(
                    [product.pk for product in products],
                    plan=planned,
                    seen=request.POST.getlist("seen"),
                    write=write,
                )
                if done is not None:
                    self.tell(request, title, done)
                    return None
                messages.warning(request, _("Something changed meanwhile: please look again."))
                products = list(Product.objects.filter(pk__in=[p.pk for p in products]))
            changes = planned(products)
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "form": form,
            "products": products,
            "changes": changes,
            "is_possible": changes and not any(change.trouble for change in changes),
            "action": request.POST["action"],
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return render(request, "admin/products/product/bulk.html", context)

    def tell(self, request: HttpRequest, title: Any, done: list[Change]) -> None:
        for change in done:
            words = f"{title}: {change.old} → {change.new}"
            self.log_change(request, change.product, words)
        messages.success(
            request,
            ngettext(
                "%(count)s product was changed.", "%(count)s products were changed.", len(done)
            )
            % {"count": len(done)},
        )

    # By a file

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


@admin.register(StockMovement)
class StockMovementAdmin(ReadOnly, Exported):
    """Every change of every stock: to look at, to search, to take along."""

    list_display = ("at", "of_product", "signed", "cause", "reference", "reason", "by")
    list_filter = ("cause", "at")
    list_select_related = ("product", "by")
    list_per_page = 100
    show_full_result_count = False
    search_fields = ("product__name", "reference", "reason", "by__username")
    search_help_text = _("product · order number · reason · username")
    fields = ("at", "product", "quantity", "cause", "reference", "reason", "by")
    export_columns = MOVEMENT_COLUMNS

    @admin.display(description=_("product"), ordering="product__name")
    def of_product(self, movement: StockMovement) -> SafeString:
        address = reverse("admin:products_product_change", args=[movement.product_id])
        return format_html('<a href="{}">{}</a>', address, movement.product.name)

    @admin.display(description=_("quantity"), ordering="quantity")
    def signed(self, movement: StockMovement) -> str:
        return f"{movement.quantity:+}"


def picture(product: Product, *, width: int) -> SafeString | str:
    if not product.picture:
        return "–"
    return format_html('<img src="{}" width="{}" alt="">', product.picture.url, width)
