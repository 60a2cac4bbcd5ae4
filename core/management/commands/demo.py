"""Make a shop to try: goods, a shopper, and the staff."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

# Of the staff, beside the operator, who may do everything: users.roles.
ROLES = ("clerk", "cashier", "owner")
PASSWORD = "guitai-demo"  # noqa: S105  everybody may know it: the demo only


class Command(BaseCommand):
    help = "Load demo products and make accounts with a known password; never in production."

    def add_arguments(self, parser: CommandParser) -> None:
        for command in ("migrate", "collectstatic"):
            parser.add_argument(f"--{command}", action="store_true", help="do this before")

    def handle(self, *args: Any, migrate: bool, collectstatic: bool, **options: Any) -> None:
        if not settings.ALIPAY_DEBUG:
            raise CommandError(
                "This makes an operator whose password everybody knows: it is for a shop with "
                "ALIPAY_DEBUG=true only."
            )
        if migrate:
            call_command("migrate", verbosity=0)
        if collectstatic:
            call_command("collectstatic", interactive=False, clear=True, verbosity=0)
        call_command("load_demo_products", stdout=self.stdout)
        users = get_user_model().objects
        if not users.filter(username="shopper").exists():
            # Its letters are written where the mail goes: into the worker's log.
            users.create_user("shopper", "shopper@example.com", PASSWORD)
        if not users.filter(username="operator").exists():
            users.create_superuser("operator", password=PASSWORD)
        for role in ROLES:
            if not users.filter(username=role).exists():
                staff = users.create_user(role, password=PASSWORD, is_staff=True)
                staff.groups.add(Group.objects.get(name=role))
        for account in ("shopper", "operator", *ROLES):
            self.stdout.write(f"{account.capitalize() + ':':9} {account} / {PASSWORD}")
