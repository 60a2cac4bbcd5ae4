"""Fill an empty shop with goods to try it with."""

import json
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.management.base import BaseCommand
from django.db import transaction

from products.models import Category, Product

DEMO = Path(__file__).resolve().parents[2] / "demo"


class Command(BaseCommand):
    help = "Load the demo's categories, products and pictures, if there is no product yet."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        if Product.objects.exists():
            return
        goods = json.loads((DEMO / "products.json").read_text(encoding="utf-8"))
        categories = {
            category["slug"]: Category.objects.create(**category)
            for category in goods["categories"]
        }
        for described in goods["products"]:
            self.load(described, categories)
        self.stdout.write(f"Loaded {Product.objects.count()} products.")

    def load(self, described: dict[str, Any], categories: dict[str, Category]) -> None:
        product = Product(
            category=categories[described["category"]],
            name=described["name"],
            description=described["description"],
            price=described["price"],
            stock=described["stock"],
        )
        with (DEMO / described["picture"]).open("rb") as picture:
            product.picture.save(described["picture"], File(picture), save=False)
        product.full_clean()
        product.save()
