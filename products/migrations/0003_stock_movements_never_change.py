from django.db import migrations

from core.append_only import guard


class Migration(migrations.Migration):
    dependencies = [("products", "0002_stock_movements")]

    operations = [guard("products_stockmovement")]
