"""Make a shop to try: goods, a shopper and an operator."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

PASSWORD = "guitai-demo"  # noqa: S105  everybody may know it: the demo only


class Command(BaseCommand):
    help = "Load demo products and make two accounts with a known password; never in production."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.ALIPAY_DEBUG:
            raise CommandError(
                "This makes an operator whose password everybody knows: it is for a shop with "
                "ALIPAY_DEBUG=true only."
            )
        call_command("load_demo_products", stdout=self.stdout)
        users = get_user_model().objects
        if not users.filter(username="shopper").exists():
            users.create_user("shopper", password=PASSWORD)
        if not users.filter(username="operator").exists():
            users.create_superuser("operator", password=PASSWORD)
        self.stdout.write(f"Shopper:  shopper / {PASSWORD}")
        self.stdout.write(f"Operator: operator / {PASSWORD}")
