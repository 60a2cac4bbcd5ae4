"""What somebody bought, at the price of that moment, and what became of it."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q, Sum
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.alters_data import alters_data
from core.append_only import AppendOnly
from core.fields import ByField
from core.money import SMALLEST, MoneyField
from orders.exceptions import OrderNotCancellable
from products.models import MAX_QUANTITY, Product, StockMovement
from users.models import User

# No I, L, O or U: an order number is read aloud on the telephone.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_LENGTH = 12
MAX_EVIDENCE = 200


class OrderStatus(models.TextChoices):
    UNPAID = "UNPAID", _("Waiting for payment")  # placed; the stock is held
    PAID = "PAID", _("Paid")  # Alipay holds the money: Payment.settle()
    CANCELLED = (
        "CANCELLED",
        _("Cancelled"),
    )  # by the buyer, or by time; the stock is back
    REFUNDED = "REFUNDED", _("Refunded")  # all of the money went back


class PaymentMethod(models.TextChoices):
    ALIPAY = "alipay", _("Alipay")
    WECHAT_PAY = "wechat_pay", _("WeChat Pay")


def new_order_id() -> str:
    """Return a number that nobody can guess: the day in Beijing, and 60 random bits."""
    day = timezone.localdate().strftime("%Y%m%d")
    return day + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))


def payment_deadline() -> datetime:
    return timezone.now() + timedelta(minutes=settings.ORDER_PAYMENT_MINUTES)


class OrderQuerySet(models.QuerySet["Order"]):
    def of(self, user: User) -> Self:
        """Return this user's own orders: what is not theirs does not exist for them."""
        return self.filter(user=user)

    def own_or_404(self, user: User, order_id: str) -> Order:
        """Return one of this user's own orders; raise Http404 when there is none of that number."""
        return get_object_or_404(self.of(user), order_id=order_id)

    def unpaid(self) -> Self:
        """Return the orders that hold stock and wait for their money."""
        return self.filter(status=OrderStatus.UNPAID)


class Order(models.Model):
    order_id = models.CharField(
        _("order number"),
        max_length=32,
        unique=True,
        default=new_order_id,
        editable=False,
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("buyer"),
        on_delete=models.PROTECT,
        related_name="orders",
    )
    status = models.CharField(
        _("status"),
        max_length=10,
        choices=OrderStatus.choices,
        default=OrderStatus.UNPAID,
    )
    total_price = MoneyField(_("total (yuan)"), default=Decimal("0.00"))
    payment_method = models.CharField(
        _("payment method"), max_length=10, choices=PaymentMethod.choices, blank=True
    )
    transaction_id = models.CharField(_("transaction number"), max_length=64, blank=True)
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True)
    expires_at = models.DateTimeField(_("to be paid before"), default=payment_deadline)
    restocked_at = models.DateTimeField(_("goods came back at"), null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=OrderStatus.values), name="order_status_known"
            ),
            models.CheckConstraint(condition=Q(total_price__gte=0), name="order_total_bounds"),
        ]
        indexes = [
            models.Index(fields=["user", "-id"], name="order_of_user"),
            models.Index(fields=["status", "expires_at"], name="order_waiting"),
            models.Index(fields=["created_at"], name="order_placed_at"),
            models.Index(
                fields=["paid_at"], condition=Q(paid_at__isnull=False), name="order_paid_at"
            ),
        ]
        permissions = [("cancel_order", _("Can cancel a buyer's order"))]

    def __str__(self) -> str:
        return self.order_id

    def get_absolute_url(self) -> str:
        return reverse("order:detail", args=[self.order_id])

    def get_payment_url(self) -> str:
        """Return the page on which this order is paid."""
        return reverse("order:payment_page", args=[self.order_id])

    @property
    def is_unpaid(self) -> bool:
        return self.status == OrderStatus.UNPAID

    @property
    def is_paid(self) -> bool:
        return self.status == OrderStatus.PAID

    @property
    def is_cancelled(self) -> bool:
        return self.status == OrderStatus.CANCELLED

    @property
    def is_refunded(self) -> bool:
        return self.status == OrderStatus.REFUNDED

    @property
    def is_expired(self) -> bool:
        """Unpaid, and too late to begin paying."""
        return self.is_unpaid and self.expires_at <= timezone.now()

    @property
    def is_payable(self) -> bool:
        return self.is_unpaid and not self.is_expired

    @property
    def is_cancellable(self) -> bool:
        return self.is_unpaid

    @alters_data
    def add_up(self) -> None:
        """Compute the total from the items."""
        self.total_price = self.items.aggregate(
            total=Sum(F("price_at_purchase") * F("quantity"), output_field=MoneyField())
        )["total"] or Decimal("0.00")
        self.save(update_fields=["total_price", "updated_at"])

    def remember_items(self, items: list[OrderItem]) -> None:
        """Keep items that are known already, as prefetch_related() would: nobody asks again."""
        rows = self.items.all()
        rows._result_cache = items
        self._prefetched_objects_cache = {"items": rows}

    @alters_data
    def record(
        self, what: str, *, about: str = "", evidence: str = "", by: User | None = None
    ) -> None:
        """Write a line of this order's history: in the same transaction as what it tells of."""
        Event.objects.create(
            order_id=self.pk, what=what, about=about, evidence=evidence[:MAX_EVIDENCE], by=by
        )

    @alters_data
    @transaction.atomic(savepoint=False)
    def mark_paid(
        self, *, payment_method: str, transaction_id: str, paid_at: datetime, evidence: str = ""
    ) -> bool:
        """Become PAID if still UNPAID; return whether this call did it."""
        is_first = self._change(
            OrderStatus.PAID,
            payment_method=payment_method,
            transaction_id=transaction_id,
            paid_at=paid_at,
        )
        if is_first:
            self.record(Event.What.PAID, about=transaction_id, evidence=evidence)
        return is_first

    @alters_data
    @transaction.atomic
    def cancel(self, *, by: User | None = None) -> None:
        """Become CANCELLED if still UNPAID and give the stock back, once.

        ``by`` is the buyer or the operator who wished it; without one it is the time that is over.
        Raise OrderNotCancellable when it is not unpaid, and change nothing.
        """
        if not self._change(OrderStatus.CANCELLED):
            raise OrderNotCancellable
        self.record(Event.What.CANCELLED if by else Event.What.EXPIRED, by=by)
        self.restock(StockMovement.Cause.CANCEL if by else StockMovement.Cause.EXPIRY, by=by)

    @alters_data
    @transaction.atomic(savepoint=False)
    def mark_refunded(self) -> bool:
        """Become REFUNDED if PAID: all of the money went back. Return whether this call did it."""
        is_first = self._change(OrderStatus.REFUNDED, before=OrderStatus.PAID)
        if is_first:
            self.record(Event.What.REFUNDED)
        return is_first

    @alters_data
    @transaction.atomic(savepoint=False)
    def restock(self, cause: str, *, by: User | None = None) -> None:
        """Give the goods back to the stock, once."""
        not_yet = Order.objects.filter(pk=self.pk, restocked_at__isnull=True)
        if not not_yet.update(restocked_at=timezone.now()):
            return
        self.record(Event.What.RESTOCKED, by=by)
        for item in self.items.order_by("product_id"):
            Product.release(
                item.product_id, quantity=item.quantity, cause=cause, order_id=self.order_id
            )

    def _change(
        self, status: OrderStatus, *, before: OrderStatus = OrderStatus.UNPAID, **fields: Any
    ) -> bool:
        """Change the state by compare-and-set: whoever changes the row is the one that did it."""
        fields |= {"status": status, "updated_at": timezone.now()}
        mine = Order.objects.filter(pk=self.pk, status=before).update(**fields)
        if mine:
            for name, value in fields.items():
                setattr(self, name, value)
        return bool(mine)


class OrderItem(models.Model):
    """A line of an order: the name and the unit price are those of the moment of the purchase."""

    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.CASCADE, related_name="items"
    )
    product = models.ForeignKey(
        Product,
        verbose_name=_("product"),
        on_delete=models.PROTECT,
        related_name="order_items",
    )
    product_name = models.CharField(_("product name"), max_length=120, editable=False)
    quantity = models.PositiveSmallIntegerField(_("quantity"))
    price_at_purchase = MoneyField(_("price at purchase (yuan)"), editable=False)

    class Meta:
        ordering = ["id"]
        verbose_name = _("order item")
        verbose_name_plural = _("order items")
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gte=1, quantity__lte=MAX_QUANTITY),
                name="order_item_quantity_bounds",
            ),
            models.CheckConstraint(
                condition=Q(price_at_purchase__gte=SMALLEST),
                name="order_item_price_bounds",
            ),
            models.UniqueConstraint(fields=["order", "product"], name="order_item_once_a_product"),
        ]

    def __str__(self) -> str:
        return f"{self.product_name} × {self.quantity}"

    @classmethod
    def of(cls, order: Order, product: Product, *, quantity: int) -> OrderItem:
        """Return a line that is not yet saved, at the product's price and name of now."""
        item = cls(order=order, product=product, quantity=quantity)
        item.record_price()
        return item

    @property
    def line_total(self) -> Decimal:
        return self.price_at_purchase * self.quantity

    def record_price(self) -> None:
        self.product_name = self.product.name
        self.price_at_purchase = self.product.price

    @transaction.atomic
    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; for the first time, record the price of now and add it to the order's total."""
        is_new = self._state.adding
        if is_new:
            self.record_price()
        super().save(*args, **kwargs)
        if is_new:
            self.order.add_up()


class Event(AppendOnly):
    """A line of an order's history: what happened, when, and by whom or on which evidence."""

    class What(models.TextChoices):
        PLACED = "PLACED", _("Order placed")
        PAID = "PAID", _("Order paid")
        CANCELLED = "CANCELLED", _("Order cancelled")  # by its buyer, or by an operator
        EXPIRED = "EXPIRED", _("Order expired")  # nobody paid in time
        REFUNDED = "REFUNDED", _("Order refunded in full")
        RESTOCKED = "RESTOCKED", _("Goods back in stock")
        # An attempt to pay it
        ATTEMPT_OPENED = "ATTEMPT_OPENED", _("Buyer sent to pay")
        LATE_MONEY = "LATE_MONEY", _("Money came too late, or twice")
        ATTEMPT_CLOSED = "ATTEMPT_CLOSED", _("Cannot be paid any more")
        ASKED = "ASKED", _("Asked how it stands")
        NOTICE = "NOTICE", _("Notice came")
        # Money that goes back
        REFUND_REQUESTED = "REFUND_REQUESTED", _("Refund requested")
        REFUND_APPROVED = "REFUND_APPROVED", _("Refund approved")
        REFUND_DECLINED = "REFUND_DECLINED", _("Refund declined")
        REFUND_RETRIED = "REFUND_RETRIED", _("Refund tried again")
        REFUND_UNCLEAR = "REFUND_UNCLEAR", _("Refund not clear yet")
        REFUND_DONE = "REFUND_DONE", _("Refund done")
        REFUND_FAILED = "REFUND_FAILED", _("Refund failed")
        REFUND_IMPORTED = "REFUND_IMPORTED", _("Refund made outside the shop")

    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="events"
    )
    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)
    what = models.CharField(_("what"), max_length=20, choices=What.choices)
    about = models.CharField(_("number"), max_length=64, blank=True)
    evidence = models.CharField(_("evidence"), max_length=MAX_EVIDENCE, blank=True)
    by = ByField(_("by"), null=True)

    class Meta:
        ordering = ["id"]
        verbose_name = _("event")
        verbose_name_plural = _("events")

    @property
    def is_by_buyer(self) -> bool:
        return self.by_id is not None and self.by_id == self.order.user_id

    def __str__(self) -> str:
        return f"{self.get_what_display()} {self.about}".strip()
