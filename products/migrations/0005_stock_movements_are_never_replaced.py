from django.db import migrations

from core.append_only import guard_the_whole


class Migration(migrations.Migration):
    dependencies = [("products", "0004_import_drafts")]

    operations = [guard_the_whole("products_stockmovement")]
