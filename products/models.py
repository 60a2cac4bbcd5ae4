"""What the shop sells, and how many are left of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models, transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.alters_data import alters_data
from core.append_only import AppendOnly
from core.fields import ByField
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

    def low(self) -> Self:
        """Return what is on sale and of which few are left, or none."""
        return self.on_sale().filter(stock__lte=settings.LOW_STOCK)

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

    @transaction.atomic(savepoint=False)
    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; the stock with which a product is new is its first movement."""
        is_new = self._state.adding
        super().save(*args, **kwargs)
        if is_new and self.stock:
            self.movements.create(quantity=self.stock, cause=StockMovement.Cause.OPENING)

    @alters_data
    def reserve(self, quantity: int, *, order_id: str) -> None:
        """Take a quantity out of the stock for an order, or raise OutOfStock and change nothing.

        The row must have been locked by :meth:`ProductQuerySet.locked` in this transaction.
        """
        if quantity > self.stock:
            raise OutOfStock(name=self.name, left=self.stock)
        self.stock -= quantity
        self.save(update_fields=["stock"])
        self.movements.create(
            quantity=-quantity, cause=StockMovement.Cause.ORDER, reference=order_id
        )

    @alters_data
    @classmethod
    @transaction.atomic(savepoint=False)
    def release(cls, product_id: int, *, quantity: int, cause: str, order_id: str) -> None:
        """Give what an order had taken back to the stock."""
        cls.objects.filter(id=product_id).update(stock=F("stock") + quantity)
        StockMovement.objects.create(
            product_id=product_id, quantity=quantity, cause=cause, reference=order_id
        )

    @alters_data
    @classmethod
    @transaction.atomic(savepoint=False)
    def correct(cls, product_id: int, *, difference: int, reason: str, by: Any) -> bool:
        """Change the stock by what an operator counted; return False when fewer are left."""
        enough = cls.objects.filter(
            id=product_id, stock__gte=-difference, stock__lte=MAX_STOCK - difference
        )
        if not enough.update(stock=F("stock") + difference, updated_at=timezone.now()):
            return False
        StockMovement.objects.create(
            product_id=product_id,
            quantity=difference,
            cause=StockMovement.Cause.CORRECTION,
            reason=reason,
            by=by,
        )
        return True


class StockMovement(AppendOnly):
    """One change of the stock of one product. The sum of them is what is there."""

    class Cause(models.TextChoices):
        OPENING = "OPENING", _("First stock")  # the product was made with it
        ORDER = "ORDER", _("Sold")  # an order was placed
        CANCEL = "CANCEL", _("Order cancelled")  # by its buyer, or by an operator
        EXPIRY = "EXPIRY", _("Order expired")  # nobody paid in time
        REFUND = "REFUND", _("Goods came back")  # with a refund
        CORRECTION = "CORRECTION", _("Corrected")  # an operator counted

    product = models.ForeignKey(
        Product, verbose_name=_("product"), on_delete=models.PROTECT, related_name="movements"
    )
    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)
    quantity = models.IntegerField(_("quantity"))
    cause = models.CharField(_("cause"), max_length=10, choices=Cause.choices)
    reference = models.CharField(_("order number"), max_length=32, blank=True, db_index=True)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    by = ByField(_("by"), null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("stock movement")
        verbose_name_plural = _("stock movements")
        constraints = [
            models.CheckConstraint(condition=~Q(quantity=0), name="stock_movement_moves"),
        ]
        permissions = [("correct_stock", _("Can correct the stock"))]

    def __str__(self) -> str:
        return f"{self.quantity:+} {self.product_id}"


class ImportDraft(models.Model):
    """Products that were read from a file and shown, and wait for their operator's yes.

    In the database, so that whichever process gets the answer knows them; gone once answered.
    """

    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    file_name = models.CharField(max_length=120)
    # [[the row's number in the file, {column: cell}], ...]
    rows = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()  # it is nobody's page

    def __str__(self) -> str:
        return self.file_name


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
        """The words that say why it cannot be had, or none."""
        return "" if self.is_available else shortage(self.left)
