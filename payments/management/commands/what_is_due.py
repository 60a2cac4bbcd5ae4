"""The worker's stories, by hand: ask about open payments, expire orders, send refunds."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from payments import expiry, refunds
from payments.models.payment import Payment
from payments.models.refund import Refund


class Command(BaseCommand):
    help = (
        "Ask Alipay about open payments, cancel orders whose time is over and send refunds, "
        "as the worker does four times a minute."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what is due, do nothing")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        if dry_run:
            now = timezone.now()
            due = [
                *Payment.objects.filter(due_at__lte=now),
                *expiry.expired_orders(),
                *Refund.objects.filter(due_at__lte=now),
            ]
            for row in due:
                self.stdout.write(f"{row._meta.object_name}: {row}")
            if not due:
                self.stdout.write("Nothing is due.")
            return
        self.stdout.write(f"Payments asked about: {expiry.ask_what_is_due()}")
        self.stdout.write(f"Orders expired: {expiry.cancel_expired_orders()}")
        self.stdout.write(f"Refunds sent: {refunds.send_what_is_due()}")
