from django.db import migrations, models

import core.money


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="notice",
            name="is_genuine",
            field=models.BooleanField(default=True, verbose_name="signed by Alipay"),
        ),
        migrations.AddField(
            model_name="notice",
            name="sha256",
            field=models.CharField(blank=True, max_length=64, verbose_name="SHA-256"),
        ),
        migrations.AddField(
            model_name="notice",
            name="total_amount",
            field=core.money.MoneyField(
                blank=True, decimal_places=2, max_digits=11, null=True, verbose_name="total_amount"
            ),
        ),
        migrations.AlterField(
            model_name="notice",
            name="raw",
            field=models.TextField(blank=True, verbose_name="as it came"),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("is_genuine", False)), fields=["id"], name="notice_samples"
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(fields=["received_at"], name="notice_received_at"),
        ),
        # What was refused for its signature so far is a sample from now on.
        migrations.RunSQL(
            "UPDATE payments_notice SET is_genuine = false"
            " WHERE verdict = 'REFUSED' AND (reason LIKE 'sign%' OR reason LIKE 'notify_type%')",
            migrations.RunSQL.noop,
        ),
    ]
