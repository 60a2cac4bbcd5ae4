import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0002_samples_of_notices"),
    ]

    operations = [
        migrations.CreateModel(
            name="OnePersonShop",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False),
                ),
                (
                    "since",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="since"),
                ),
            ],
            options={
                "verbose_name": "shop of one person",
                "verbose_name_plural": "shops of one person",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="one_person_shop_once"
                    )
                ],
            },
        ),
    ]
