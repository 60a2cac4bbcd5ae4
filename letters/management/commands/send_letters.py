"""`manage.py send_letters`: what the worker does for letters, by hand."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from letters import post
from letters.models import Letter


class Command(BaseCommand):
    help = "Write the letters to buyers that are missing, and send those that are due."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what is due, do nothing")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        if dry_run:
            for event in post.events_to_tell():
                self.stdout.write(f"To be written: {event.what} {event.order}")
            due = Letter.objects.filter(due_at__lte=timezone.now()).select_related("event__order")
            for letter in due.order_by("due_at"):
                self.stdout.write(f"To be sent: {letter.kind} {letter.event.order}")
            return
        self.stdout.write(f"Letters written: {post.write_letters()}")
        self.stdout.write(f"Letters tried: {post.send_what_is_due()}")
