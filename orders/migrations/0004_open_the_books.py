"""What was ordered so far is where history and stock movements begin; nothing changes them later."""

from typing import Any

from django.db import migrations
from django.db.models import Sum

from core.append_only import guard

BEFORE = "before this history began"


def open_the_books(apps: Any, editor: Any) -> None:
    movements = apps.get_model("products", "StockMovement").objects
    items = apps.get_model("orders", "OrderItem").objects
    held = items.filter(order__restocked_at=None)
    for product in apps.get_model("products", "Product").objects.all():
        sold = held.filter(product=product).aggregate(sum=Sum("quantity", default=0))["sum"]
        if product.stock + sold:
            movements.create(product=product, quantity=product.stock + sold, cause="OPENING")
    for item in held.select_related("order"):
        movements.create(
            product_id=item.product_id,
            quantity=-item.quantity,
            cause="ORDER",
            reference=item.order.order_id,
        )

    events = apps.get_model("orders", "Event").objects
    ends = {"CANCELLED": ["CANCELLED"], "PAID": ["PAID"], "REFUNDED": ["PAID", "REFUNDED"]}
    for order in apps.get_model("orders", "Order").objects.all():
        events.create(order=order, at=order.created_at, what="PLACED", evidence=BEFORE)
        for what in ends.get(order.status, []):
            about = order.transaction_id if what == "PAID" else ""
            events.create(order=order, at=order.updated_at, what=what, about=about, evidence=BEFORE)


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0003_events"),
        ("products", "0003_stock_movements_never_change"),
    ]

    operations = [
        migrations.RunPython(open_the_books, migrations.RunPython.noop),
        guard("orders_event"),
    ]
