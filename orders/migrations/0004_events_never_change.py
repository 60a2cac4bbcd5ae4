from django.db import migrations

from core.append_only import guard


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_events")]

    operations = [guard("orders_event")]
