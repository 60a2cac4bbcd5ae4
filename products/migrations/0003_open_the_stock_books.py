"""What is in stock now is where the movements begin; from here on nothing changes them."""

from typing import Any

from django.db import migrations

from core.append_only import guard


def open_the_books(apps: Any, editor: Any) -> None:
    movements = apps.get_model("products", "StockMovement").objects
    for product in apps.get_model("products", "Product").objects.filter(stock__gt=0):
        movements.create(product=product, quantity=product.stock, cause="OPENING")


class Migration(migrations.Migration):
    dependencies = [("products", "0002_stock_movements")]

    operations = [
        migrations.RunPython(open_the_books, migrations.RunPython.noop),
        guard("products_stockmovement"),
    ]
