"""The goods, as the operator keeps them."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from products.models import MAX_STOCK, Category, Product


class ProductForm(forms.ModelForm):
    """Remembers how many the operator saw, so that what is sold meanwhile stays sold."""

    stock = forms.IntegerField(
        label=_("stock"),
        min_value=0,
        max_value=MAX_STOCK,
        initial=0,
        show_hidden_initial=True,
    )

    class Meta:
        model = Product
        fields = (
            *("category", "name", "description", "price", "stock"),
            *("picture", "is_on_sale"),
        )

    @property
    def stock_difference(self) -> int:
        """By how many the operator changed the stock that they saw."""
        seen = self.data.get(self["stock"].html_initial_name)
        return self.cleaned_data["stock"] - int(seen or 0)

    def clean(self) -> dict[str, Any] | None:
        seen = self.data.get(self["stock"].html_initial_name, "0")
        if not seen.isdecimal():
            raise forms.ValidationError(_("Please load the page again."))
        return super().clean()


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    list_display = ("name", "slug", "position")
    list_editable = ("position",)
    prepopulated_fields = {"slug": ("name",)}


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    form = ProductForm
    list_display = ("preview", "name", "category", "price", "stock", "is_on_sale", "updated_at")
    list_display_links = ("name",)
    list_editable = ("price", "stock", "is_on_sale")
    list_filter = ("is_on_sale", "category")
    list_select_related = ("category",)
    list_per_page = 50
    search_fields = ("name", "description")
    readonly_fields = ("large_preview", "created_at", "updated_at")
    fields = (
        *("category", "name", "description", "price", "stock", "is_on_sale"),
        *("picture", "large_preview", "created_at", "updated_at"),
    )

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[forms.ModelForm]:
        return ProductForm

    @admin.display(description=_("picture"))
    def preview(self, product: Product) -> SafeString | str:
        return picture(product, width=56)

    @admin.display(description=_("preview"))
    def large_preview(self, product: Product) -> SafeString | str:
        return picture(product, width=280)

    def save_model(
        self, request: HttpRequest, obj: Product, form: ProductForm, change: bool
    ) -> None:
        """Write only what the operator changed; the stock by its difference.

        A purchase may have been made since the page was loaded, and must not be undone.
        """
        if not change:
            obj.save()
            return
        changed = [name for name in form.changed_data if name != "stock"]
        difference = form.stock_difference
        with transaction.atomic():
            if changed:
                obj.save(update_fields=[*changed, "updated_at"])
            if difference and not Product.correct(
                obj.pk,
                difference=difference,
                reason=gettext("Edited in the admin"),
                by=request.user,
            ):
                messages.error(
                    request,
                    _("%(product)s: fewer are left than you take away; the stock is unchanged.")
                    % {"product": obj},
                )
        obj.refresh_from_db(fields=["stock"])


def picture(product: Product, *, width: int) -> SafeString | str:
    if not product.picture:
        return "–"
    return format_html('<img src="{}" width="{}" alt="">', product.picture.url, width)
