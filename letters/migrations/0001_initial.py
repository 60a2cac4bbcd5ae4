import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("orders", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Letter",
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
                ("copy", models.PositiveSmallIntegerField(default=1, verbose_name="copy")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("PLACED", "Order placed"),
                            ("PAID", "Order paid"),
                            ("CANCELLED", "Order cancelled"),
                            ("EXPIRED", "Order expired"),
                            ("REFUND_DONE", "Money returned"),
                        ],
                        max_length=20,
                        verbose_name="kind",
                    ),
                ),
                ("to", models.EmailField(max_length=254, verbose_name="to")),
                (
                    "language",
                    models.CharField(
                        choices=[("zh-hans", "Simplified Chinese"), ("en", "English")],
                        max_length=10,
                        verbose_name="language",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("WAITING", "Waiting to be sent"),
                            ("SENT", "Sent"),
                            ("FAILED", "Given up"),
                        ],
                        default="WAITING",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "number",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, unique=True, verbose_name="number"
                    ),
                ),
                (
                    "last_error",
                    models.CharField(blank=True, max_length=200, verbose_name="last error"),
                ),
                (
                    "written_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="written at"
                    ),
                ),
                ("sent_at", models.DateTimeField(blank=True, null=True, verbose_name="sent at")),
                (
                    "asked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="sent again by",
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="letters",
                        to="orders.event",
                        verbose_name="event",
                    ),
                ),
            ],
            options={
                "verbose_name": "email",
                "verbose_name_plural": "emails",
                "ordering": ["-id"],
                "permissions": [("resend_letter", "Can send an email again")],
                "constraints": [
                    models.UniqueConstraint(fields=("event", "copy"), name="letter_once")
                ],
            },
        ),
    ]
