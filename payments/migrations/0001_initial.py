from decimal import Decimal

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import core.money
from core.triggers import forbid_replace_truncate, forbid_update_delete

# The journal's two unique keys.
SAME = """
    EXISTS (
        SELECT 1 FROM payments_journalentry WHERE refund_id = NEW.refund_id AND what = NEW.what
    ) OR NEW.refund_id IS NULL AND EXISTS (
        SELECT 1 FROM payments_journalentry
        WHERE payment_id = NEW.payment_id AND what = NEW.what AND refund_id IS NULL
    )
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("orders", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Payment",
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
                (
                    "kind",
                    models.CharField(
                        choices=[("page", "Computer"), ("wap", "Phone"), ("qr", "QR code")],
                        default="page",
                        max_length=4,
                        verbose_name="way to pay",
                    ),
                ),
                ("qr_code", models.CharField(blank=True, max_length=1024, verbose_name="qr_code")),
                (
                    "out_trade_no",
                    models.CharField(max_length=64, unique=True, verbose_name="out_trade_no"),
                ),
                (
                    "amount",
                    core.money.MoneyField(
                        decimal_places=2, max_digits=11, verbose_name="amount (yuan)"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("PENDING", "Waiting for payment"),
                            ("PAID", "Paid"),
                            ("CLOSED", "Closed"),
                            ("REFUNDED", "Refunded"),
                        ],
                        default="PENDING",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("trade_no", models.CharField(blank=True, max_length=64, verbose_name="trade_no")),
                ("paid_at", models.DateTimeField(blank=True, null=True, verbose_name="paid at")),
                (
                    "billed_on",
                    models.DateField(blank=True, null=True, verbose_name="in the bill of"),
                ),
                ("time_expire", models.DateTimeField(verbose_name="payable at Alipay until")),
                (
                    "chosen_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="chosen last at"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="orders.order",
                        verbose_name="order",
                    ),
                ),
            ],
            options={
                "verbose_name": "payment",
                "verbose_name_plural": "payments",
                "ordering": ["-id"],
                "permissions": [("ask_payment", "Can ask Alipay about a payment")],
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "received_at",
                    models.DateTimeField(auto_now_add=True, verbose_name="received at"),
                ),
                ("raw", models.TextField(verbose_name="as it came")),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("RECEIVED", "Received"),
                            ("SETTLED", "Settled"),
                            ("REPEATED", "Repeated"),
                            ("CLOSED", "Closed"),
                            ("REFUND", "Of a refund"),
                            ("IMPORTED", "Of a foreign refund"),
                            ("REFUSED", "Refused"),
                        ],
                        default="RECEIVED",
                        max_length=10,
                        verbose_name="verdict",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=200, verbose_name="reason")),
                (
                    "notify_id",
                    models.CharField(blank=True, max_length=128, verbose_name="notify_id"),
                ),
                (
                    "out_trade_no",
                    models.CharField(
                        blank=True, db_index=True, max_length=128, verbose_name="out_trade_no"
                    ),
                ),
                ("trade_no", models.CharField(blank=True, max_length=128, verbose_name="trade_no")),
                (
                    "trade_status",
                    models.CharField(blank=True, max_length=128, verbose_name="trade_status"),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        to="payments.payment",
                        verbose_name="payment",
                    ),
                ),
            ],
            options={
                "verbose_name": "Alipay notice",
                "verbose_name_plural": "Alipay notices",
                "ordering": ["-id"],
                "permissions": [("replay_notice", "Can replay an Alipay notice")],
            },
        ),
        migrations.CreateModel(
            name="Refund",
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
                ("out_request_no", models.CharField(max_length=64, verbose_name="out_request_no")),
                (
                    "amount",
                    core.money.MoneyField(
                        decimal_places=2, max_digits=11, verbose_name="amount (yuan)"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("WAITING", "Waiting for approval"),
                            ("REQUESTED", "Requested"),
                            ("UNKNOWN", "Being clarified"),
                            ("DONE", "Refunded"),
                            ("FAILED", "Failed"),
                            ("DECLINED", "Declined"),
                        ],
                        default="REQUESTED",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("LATE", "Paid too late, or twice"),
                            ("OPERATOR", "By the shop"),
                            ("CONSOLE", "In Alipay's console"),
                        ],
                        max_length=10,
                        verbose_name="cause",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=200, verbose_name="reason")),
                ("restocks", models.BooleanField(default=False, verbose_name="goods come back")),
                (
                    "last_answer",
                    models.CharField(blank=True, max_length=200, verbose_name="last answer"),
                ),
                (
                    "done_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="refunded at"),
                ),
                (
                    "billed_on",
                    models.DateField(blank=True, null=True, verbose_name="in the bill of"),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
                (
                    "approved_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="approved by",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refunds",
                        to="payments.payment",
                        verbose_name="payment",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="requested by",
                    ),
                ),
            ],
            options={
                "verbose_name": "refund",
                "verbose_name_plural": "refunds",
                "ordering": ["id"],
                "permissions": [("approve_refund", "Can approve a refund")],
            },
        ),
        migrations.CreateModel(
            name="JournalEntry",
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
                            ("SALE", "Sale"),
                            ("REFUND", "Refund"),
                            ("LATE_IN", "Late money in"),
                            ("LATE_OUT", "Late money out"),
                            ("FEE", "Fee"),
                            ("FEE_BACK", "Fee given back"),
                        ],
                        max_length=10,
                        verbose_name="what",
                    ),
                ),
                (
                    "debit",
                    models.CharField(
                        choices=[
                            ("ALIPAY", "Alipay balance"),
                            ("SALES", "Sales"),
                            ("RETURNS", "Sales returned"),
                            ("FEES", "Alipay's fees"),
                            ("LATE_MONEY", "Late money, owed back"),
                        ],
                        max_length=10,
                        verbose_name="debit",
                    ),
                ),
                (
                    "credit",
                    models.CharField(
                        choices=[
                            ("ALIPAY", "Alipay balance"),
                            ("SALES", "Sales"),
                            ("RETURNS", "Sales returned"),
                            ("FEES", "Alipay's fees"),
                            ("LATE_MONEY", "Late money, owed back"),
                        ],
                        max_length=10,
                        verbose_name="credit",
                    ),
                ),
                (
                    "amount",
                    core.money.MoneyField(
                        decimal_places=2, max_digits=11, verbose_name="amount (yuan)"
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="journal",
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
                        related_name="journal",
                        to="payments.refund",
                        verbose_name="refund",
                    ),
                ),
            ],
            options={
                "verbose_name": "journal entry",
                "verbose_name_plural": "journal",
                "ordering": ["-id"],
            },
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("paid_at__isnull", False)),
                fields=["paid_at"],
                name="payment_paid_at",
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("unclear_since__isnull", False)),
                fields=["unclear_since"],
                name="payment_unclear",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gte", Decimal("0.01"))), name="payment_amount_bounds"
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("trade_no", ""), _negated=True),
                fields=("trade_no",),
                name="payment_trade_no_once",
            ),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(fields=["status", "cause"], name="refund_status"),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(
                condition=models.Q(("done_at__isnull", False)),
                fields=["done_at"],
                name="refund_done_at",
            ),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(
                condition=models.Q(("unclear_since__isnull", False)),
                fields=["unclear_since"],
                name="refund_unclear",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gte", Decimal("0.01"))), name="refund_amount_bounds"
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.UniqueConstraint(
                fields=("payment", "out_request_no"), name="refund_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="journalentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gte", Decimal("0.01"))), name="journal_amount_bounds"
            ),
        ),
        migrations.AddConstraint(
            model_name="journalentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("debit", models.F("credit")), _negated=True),
                name="journal_two_accounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="journalentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("refund__isnull", True)),
                fields=("what", "payment"),
                name="journal_once_a_payment",
            ),
        ),
        migrations.AddConstraint(
            model_name="journalentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("refund__isnull", False)),
                fields=("what", "refund"),
                name="journal_once_a_refund",
            ),
        ),
        forbid_update_delete("payments_journalentry"),
        forbid_replace_truncate("payments_journalentry", same=SAME),
    ]
