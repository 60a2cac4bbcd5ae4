"""The catalogues of translations, from the command line: see core.translations."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import translations


class Command(BaseCommand):
    help = "Update, compile or check the catalogues of translations; gettext is not needed."
    # It runs before there are keys, a database, or even a compiled catalogue.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("step", choices=["update", "compile", "check"])

    def handle(self, *args: Any, step: str, **options: Any) -> None:
        projects = translations.projects(settings.BASE_DIR)
        if step == "check":
            complaints = [
                f"{project.po.relative_to(settings.BASE_DIR)}: {complaint}"
                for project in projects
                for complaint in translations.complaints(project)
            ]
            if complaints:
                raise CommandError("\n".join(complaints))
        for project in projects:
            if step == "update":
                translations.update(project)
            elif step == "compile" and project.po.exists():
                translations.compile(project)
