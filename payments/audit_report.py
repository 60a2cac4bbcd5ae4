"""What an audit found: kept, so that the desk can show it and nobody has to run it to know."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AuditReport(models.Model):
    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)
    count = models.PositiveIntegerField(_("findings"))
    findings = models.JSONField(_("what does not add up"), default=list)
    seconds = models.FloatField(_("took (seconds)"))

    class Meta:
        ordering = ["-id"]
        verbose_name = _("audit report")
        verbose_name_plural = _("audit reports")

    def __str__(self) -> str:
        return f"{timezone.localtime(self.at):%Y-%m-%d %H:%M} {self.count}"
