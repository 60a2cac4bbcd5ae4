"""The goods, as the operator keeps them: one by one, many at once, or by a file."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import AttentionFilter, Exported, ReadOnly
from products import pictures
from products.admin_bulk import BulkAdmin
from products.admin_import import ImportAdmin
from products.forms import ListRowForm, ProductForm
from products.models import Category, Product, ProductQuerySet, StockMovement
from products.spreadsheets import COLUMNS, MOVEMENT_COLUMNS


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    list_display = ("name", "slug", "position")
    list_editable = ("position",)
    prepopulated_fields = {"slug": ("name",)}


class ProductAttentionFilter(AttentionFilter):
    rows = {"low": (_("low stock"), ProductQuerySet.low)}


@admin.register(Product)
class ProductAdmin(BulkAdmin, ImportAdmin, Exported):
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

    def get_fields(self, request: HttpRequest, obj: Product | None = None) -> Any:
        is_corrected = obj is not None and request.user.has_perm("products.correct_stock")
        fields = [
            "category",
            "name",
            "description",
            "price",
            "stock",
            "reason",
            "is_on_sale",
            "picture",
            "large_preview",
            "created_at",
            "updated_at",
        ]
        if not (is_corrected and self.has_change_permission(request, obj)):
            fields.remove("reason")
        return fields

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> type[forms.ModelForm]:
        form = super().get_form(request, *args, **kwargs)
        may = request.user.has_perm("products.correct_stock")
        return type(form.__name__, (form,), {"may_correct_stock": may})

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[forms.ModelForm]:
        return ListRowForm

    @admin.display(description=_("picture"))
    def preview(self, product: Product) -> SafeString | str:
        return thumbnail(product, width=56)

    @admin.display(description=_("preview"))
    def large_preview(self, product: Product) -> SafeString | str:
        return thumbnail(product, width=280)

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
                pictures.delete_after_commit(before.storage, before.name)
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
        pictures.delete_after_commit(before.storage, before.name)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        before = [product.picture for product in queryset]
        super().delete_queryset(request, queryset)
        for each in before:
            pictures.delete_after_commit(each.storage, each.name)


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


def thumbnail(product: Product, *, width: int) -> SafeString | str:
    if not product.picture:
        return "–"
    return format_html('<img src="{}" width="{}" alt="">', product.picture.url, width)
