from django.db import migrations

from core.append_only import guard_the_whole


class Migration(migrations.Migration):
    dependencies = [("orders", "0005_desk_indexes")]

    operations = [guard_the_whole("orders_event")]
