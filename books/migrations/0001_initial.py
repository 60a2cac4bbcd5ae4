import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import core.money


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("payments", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditReport",
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
                ("count", models.PositiveIntegerField(verbose_name="findings")),
                ("findings", models.JSONField(default=list, verbose_name="what does not add up")),
                ("seconds", models.FloatField(verbose_name="took (seconds)")),
            ],
            options={
                "verbose_name": "audit report",
                "verbose_name_plural": "audit reports",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Bill",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        blank=True, db_index=True, null=True, verbose_name="next try at"
                    ),
                ),
                ("tries", models.PositiveIntegerField(default=0, verbose_name="tries")),
                (
                    "unclear_since",
                    models.DateTimeField(blank=True, null=True, verbose_name="unclear since"),
                ),
                ("day", models.DateField(unique=True, verbose_name="day")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("WAITING", "Not read yet"),
                            ("READ", "Read"),
                            ("EMPTY", "Nothing happened"),
                            ("MALFORMED", "Unreadable"),
                        ],
                        default="WAITING",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=200, verbose_name="reason")),
                ("raw", models.BinaryField(null=True, verbose_name="as it came")),
                ("payments", models.PositiveIntegerField(default=0, verbose_name="payments")),
                (
                    "paid",
                    models.DecimalField(
                        decimal_places=2, default=0, max_digits=17, verbose_name="paid (yuan)"
                    ),
                ),
                ("refunds", models.PositiveIntegerField(default=0, verbose_name="refunds")),
                (
                    "refunded",
                    models.DecimalField(
                        decimal_places=2, default=0, max_digits=17, verbose_name="refunded (yuan)"
                    ),
                ),
                (
                    "fees",
                    models.DecimalField(
                        decimal_places=2, default=0, max_digits=17, verbose_name="fees (yuan)"
                    ),
                ),
                (
                    "fetched_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="fetched at"),
                ),
                ("runs", models.PositiveIntegerField(default=0, verbose_name="times begun")),
                (
                    "busy_until",
                    models.DateTimeField(
                        editable=False, null=True, verbose_name="being read until"
                    ),
                ),
            ],
            options={
                "verbose_name": "Alipay bill",
                "verbose_name_plural": "Alipay bills",
                "ordering": ["-day"],
            },
        ),
        migrations.CreateModel(
            name="Difference",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("ONLY_HERE", "Only here"),
                            ("ONLY_THERE", "Only at Alipay"),
                            ("AMOUNT", "Another amount"),
                            ("STATUS", "Another status"),
                        ],
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                (
                    "movement",
                    models.CharField(
                        choices=[("PAYMENT", "Payment"), ("REFUND", "Refund"), ("FEE", "Fee")],
                        max_length=10,
                        verbose_name="movement",
                    ),
                ),
                ("out_trade_no", models.CharField(max_length=64, verbose_name="out_trade_no")),
                (
                    "out_request_no",
                    models.CharField(blank=True, max_length=64, verbose_name="out_request_no"),
                ),
                ("trade_no", models.CharField(blank=True, max_length=64, verbose_name="trade_no")),
                (
                    "our_amount",
                    core.money.MoneyField(
                        blank=True,
                        decimal_places=2,
                        max_digits=11,
                        null=True,
                        verbose_name="our amount (yuan)",
                    ),
                ),
                (
                    "their_amount",
                    core.money.MoneyField(
                        blank=True,
                        decimal_places=2,
                        max_digits=11,
                        null=True,
                        verbose_name="Alipay's amount (yuan)",
                    ),
                ),
                (
                    "our_status",
                    models.CharField(blank=True, max_length=20, verbose_name="our status"),
                ),
                (
                    "their_status",
                    models.CharField(blank=True, max_length=20, verbose_name="Alipay's status"),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("OPEN", "Open"),
                            ("MENDED", "Mended by itself"),
                            ("RESOLVED", "Resolved"),
                        ],
                        db_index=True,
                        default="OPEN",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("found_at", models.DateTimeField(auto_now_add=True, verbose_name="found at")),
                ("seen_in", models.PositiveIntegerField(verbose_name="last seen in run")),
                (
                    "resolved_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="resolved at"),
                ),
                (
                    "resolution",
                    models.CharField(blank=True, max_length=200, verbose_name="resolution"),
                ),
                (
                    "bill",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="differences",
                        to="books.bill",
                        verbose_name="bill",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="differences",
                        to="payments.payment",
                        verbose_name="payment",
                    ),
                ),
                (
                    "refund",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="differences",
                        to="payments.refund",
                        verbose_name="refund",
                    ),
                ),
                (
                    "resolved_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="resolved by",
                    ),
                ),
            ],
            options={
                "verbose_name": "difference",
                "verbose_name_plural": "differences",
                "ordering": ["-bill__day", "id"],
                "permissions": [("resolve_difference", "Can resolve a difference")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("bill", "kind", "movement", "out_trade_no", "out_request_no"),
                        name="difference_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "RESOLVED"), _negated=True),
                            models.Q(("resolution", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="difference_has_a_reason",
                    ),
                ],
            },
        ),
    ]
