"""Whether the shop's own books agree with themselves; the exit code is 1 when they do not."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import translation

from books.audit import audit, kept


class Command(BaseCommand):
    help = (
        "Check that stock is the sum of its movements, that every total, payment, refund and "
        "journal entry agrees with the others, and name each row that does not. The report is "
        "kept for the desk."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        report = audit()
        with translation.override("en"):
            for finding in kept(report):
                self.stdout.write(f"{finding.check}: {finding.row}: {finding.words}")
        if report.count:
            self.stdout.write(f"{report.count} findings in {report.seconds:.1f} s.")
            sys.exit(1)
        self.stdout.write(f"Everything adds up ({report.seconds:.1f} s).")
