"""What the shop sells, and how many are left of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from core.money import LARGEST, SMALLEST, MoneyField, price_validators
from products.exceptions import OutOfStock, shortage

# The most of one product that one order may hold.
MAX_QUANTITY = 999
# From here on a shopper is told how many are left.
SCARCE = 5
MAX_STOCK = 1_000_000


class Category(models.Model):
    name = models.CharField(_("name"), max_length=60, unique=True)
    slug = models.SlugField(_("slug"), unique=True, help_text=_("Its name in addresses."))
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        ordering = ["position", "id"]
        verbose_name = _("category")
        verbose_name_plural = _("categories")

    def __str__(self) -> str:
        return self.name


class ProductQuerySet(models.QuerySet["Product"]):
    def on_sale(self) -> Self:
        """Return what a shopper may see, sold out or not."""
        return self.filter(is_on_sale=True)

    def matching(self, *, q: str = "", category: str = "") -> Self:
        """Return the products whose name or description holds ``q``, in one category or in all."""
        found = self
        if q:
            found = found.filter(Q(name__icontains=q) | Q(description__icontains=q))
        if category:
            found = found.filter(category__slug=category)
        return found

    def locked(self, product_ids: Iterable[int]) -> list[Product]:
        """Return these products with their rows locked until the transaction ends.

        Always in ascending id order, so that two orders never wait for one another.
        """
        possible = [number for number in product_ids if number <= models.BigAutoField.MAX_BIGINT]
        return list(self.select_for_update().filter(id__in=possible).order_by("id"))


class Product(models.Model):
    category = models.ForeignKey(
        Category,
        verbose_name=_("category"),
        on_delete=models.PROTECT,
        related_name="products",
        null=True,
        blank=True,
    )
    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), max_length=4000, blank=True)
    price = MoneyField(_("price (yuan)"), validators=price_validators)
    stock = models.PositiveIntegerField(
        _("stock"), default=0, validators=[MaxValueValidator(MAX_STOCK)]
    )
    picture = models.ImageField(_("picture"), upload_to="products/", blank=True)
    is_on_sale = models.BooleanField(_("on sale"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints = [
            models.CheckConstraint(
                condition=Q(price__gte=SMALLEST, price__lte=LARGEST),
                name="product_price_bounds",
            ),
            models.CheckConstraint(condition=Q(stock__gte=0), name="product_stock_not_negative"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("products:detail", args=[self.pk])

    @property
    def is_sold_out(self) -> bool:
        return self.stock == 0

    @property
    def is_scarce(self) -> bool:
        return 0 < self.stock <= SCARCE

    @property
    def max_quantity(self) -> int:
        """The most of it that can be bought at once, now."""
        return min(self.stock, MAX_QUANTITY)

    def quote(self, quantity: int) -> Quote:
        return Quote(product=self, quantity=quantity)

    def reserve(self, quantity: int) -> None:
        """Take a quantity out of the stock, or raise OutOfStock and change nothing.

        The row must have been locked by :meth:`ProductQuerySet.locked` in this transaction.
        """
        if quantity > self.stock:
            raise OutOfStock(name=self.name, left=self.stock)
        self.stock -= quantity
        self.save(update_fields=["stock"])

    reserve.alters_data = True  # type: ignore[attr-defined]

    @classmethod
    def release(cls, product_id: int, *, quantity: int) -> None:
        """Give a quantity back to the stock."""
        cls.objects.filter(id=product_id).update(stock=F("stock") + quantity)


@dataclass(frozen=True)
class Quote:
    """What a quantity of a product costs now, and whether it can be had: it promises nothing."""

    product: Product
    quantity: int

    @property
    def unit_price(self) -> Decimal:
        return self.product.price

    @property
    def total_price(self) -> Decimal:
        return self.product.price * self.quantity

    @property
    def left(self) -> int:
        return self.product.stock

    @property
    def is_available(self) -> bool:
        return self.quantity <= self.left

    @property
    def shortage(self) -> str:
        """The words that say why it can not be had, or none."""
        return "" if self.is_available else shortage(self.left)
