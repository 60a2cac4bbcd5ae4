from decimal import Decimal

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import core.money
import orders.models
from core.triggers import forbid_replace_truncate, forbid_update_delete


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("products", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "order_id",
                    models.CharField(
                        default=orders.models.new_order_id,
                        editable=False,
                        max_length=32,
                        unique=True,
                        verbose_name="order number",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("UNPAID", "Waiting for payment"),
                            ("PAID", "Paid"),
                            ("CANCELLED", "Cancelled"),
                            ("REFUNDED", "Refunded"),
                        ],
                        default="UNPAID",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "total_price",
                    core.money.MoneyField(
                        decimal_places=2,
                        default=Decimal("0.00"),
                        max_digits=11,
                        verbose_name="total (yuan)",
                    ),
                ),
                (
                    "payment_method",
                    models.CharField(
                        blank=True,
                        choices=[("alipay", "Alipay"), ("wechat_pay", "WeChat Pay")],
                        max_length=10,
                        verbose_name="payment method",
                    ),
                ),
                (
                    "transaction_id",
                    models.CharField(blank=True, max_length=64, verbose_name="transaction number"),
                ),
                ("paid_at", models.DateTimeField(blank=True, null=True, verbose_name="paid at")),
                (
                    "expires_at",
                    models.DateTimeField(
                        default=orders.models.payment_deadline, verbose_name="to be paid before"
                    ),
                ),
                (
                    "restocked_at",
                    models.DateTimeField(
                        editable=False, null=True, verbose_name="goods came back at"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="buyer",
                    ),
                ),
            ],
            options={
                "verbose_name": "order",
                "verbose_name_plural": "orders",
                "ordering": ["-id"],
                "permissions": [("cancel_order", "Can cancel a buyer's order")],
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(
                        db_index=True, default=django.utils.timezone.now, verbose_name="at"
                    ),
                ),
                (
                    "what",
                    models.CharField(
                        choices=[
                            ("PLACED", "Order placed"),
                            ("PAID", "Order paid"),
                            ("CANCELLED", "Order cancelled"),
                            ("EXPIRED", "Order expired"),
                            ("REFUNDED", "Order refunded in full"),
                            ("RESTOCKED", "Goods back in stock"),
                            ("ATTEMPT_OPENED", "Buyer sent to pay"),
                            ("LATE_MONEY", "Money came too late, or twice"),
                            ("ATTEMPT_CLOSED", "Cannot be paid any more"),
                            ("ASKED", "Asked how it stands"),
                            ("NOTICE", "Notice came"),
                            ("REFUND_REQUESTED", "Refund requested"),
                            ("REFUND_APPROVED", "Refund approved"),
                            ("REFUND_DECLINED", "Refund declined"),
                            ("REFUND_RETRIED", "Refund tried again"),
                            ("REFUND_UNCLEAR", "Refund not clear yet"),
                            ("REFUND_DONE", "Refund done"),
                            ("REFUND_FAILED", "Refund failed"),
                            ("REFUND_IMPORTED", "Refund made outside the shop"),
                        ],
                        max_length=20,
                        verbose_name="what",
                    ),
                ),
                ("about", models.CharField(blank=True, max_length=64, verbose_name="number")),
                ("evidence", models.CharField(blank=True, max_length=200, verbose_name="evidence")),
                (
                    "by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="orders.order",
                        verbose_name="order",
                    ),
                ),
            ],
            options={
                "verbose_name": "event",
                "verbose_name_plural": "events",
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="OrderItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "product_name",
                    models.CharField(editable=False, max_length=120, verbose_name="product name"),
                ),
                ("quantity", models.PositiveSmallIntegerField(verbose_name="quantity")),
                (
                    "price_at_purchase",
                    core.money.MoneyField(
                        decimal_places=2,
                        editable=False,
                        max_digits=11,
                        verbose_name="price at purchase (yuan)",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="orders.order",
                        verbose_name="order",
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="order_items",
                        to="products.product",
                        verbose_name="product",
                    ),
                ),
            ],
            options={
                "verbose_name": "order item",
                "verbose_name_plural": "order items",
                "ordering": ["id"],
            },
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["user", "-id"], name="order_of_user"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["status", "expires_at"], name="order_waiting"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["created_at"], name="order_placed_at"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("paid_at__isnull", False)),
                fields=["paid_at"],
                name="order_paid_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["UNPAID", "PAID", "CANCELLED", "REFUNDED"])),
                name="order_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(("total_price__gte", 0)), name="order_total_bounds"
            ),
        ),
        migrations.AddConstraint(
            model_name="orderitem",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__gte", 1), ("quantity__lte", 999)),
                name="order_item_quantity_bounds",
            ),
        ),
        migrations.AddConstraint(
            model_name="orderitem",
            constraint=models.CheckConstraint(
                condition=models.Q(("price_at_purchase__gte", Decimal("0.01"))),
                name="order_item_price_bounds",
            ),
        ),
        migrations.AddConstraint(
            model_name="orderitem",
            constraint=models.UniqueConstraint(
                fields=("order", "product"), name="order_item_once_a_product"
            ),
        ),
        forbid_update_delete("orders_event"),
        forbid_replace_truncate("orders_event"),
    ]
