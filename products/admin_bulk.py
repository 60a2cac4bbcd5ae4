"""The pages on which an operator changes many products at once."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from products import bulk
from products.bulk import Change
from products.models import Product


class BulkAdmin(admin.ModelAdmin):
    """A list of products with the actions that change prices by a percentage, and the stock."""

    actions = ("change_prices", "correct_stock")

    def has_correct_stock_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("products.correct_stock")

    @admin.action(description=_("Change prices by a percentage…"), permissions=["change"])
    def change_prices(
        self, request: HttpRequest, queryset: QuerySet[Product]
    ) -> HttpResponse | None:
        form = bulk.PriceForm(request.POST if "step" in request.POST else None)
        return self.in_bulk(
            request,
            queryset,
            form=form,
            title=_("Change prices by a percentage"),
            plan=lambda product: bulk.price_change(product, form.cleaned_data["percent"]),
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
            plan=lambda product: bulk.stock_change(product, form.cleaned_data["difference"]),
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
        plan: Callable[[Product], Change],
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
            if request.POST["step"] == "do":
                done = bulk.write_as_seen(
                    [product.pk for product in products],
                    plan=plan,
                    seen=request.POST.getlist("seen"),
                    write=write,
                )
                if done is not None:
                    self.report(request, title, done)
                    return None
                messages.warning(request, _("Something changed meanwhile: please look again."))
                products = list(Product.objects.filter(pk__in=[p.pk for p in products]))
            changes = [plan(product) for product in products]
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

    def report(self, request: HttpRequest, title: Any, done: list[Change]) -> None:
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
