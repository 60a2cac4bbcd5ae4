"""What the house itself remembers."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Tick(models.Model):
    """The worker's sign of life: one row."""

    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("worker's tick")
        verbose_name_plural = _("worker's ticks")

    def __str__(self) -> str:
        return str(self.at)

    @classmethod
    def now(cls) -> None:
        cls.objects.update_or_create(pk=1, defaults={"at": timezone.now()})
