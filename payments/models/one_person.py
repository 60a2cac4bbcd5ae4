"""Since when the shop says that one person alone keeps it."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class OnePersonShop(models.Model):
    """One row while ONE_PERSON_SHOP is on, none while it is off: the worker writes it down."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    since = models.DateTimeField(_("since"), default=timezone.now)

    class Meta:
        verbose_name = _("shop of one person")
        verbose_name_plural = _("shops of one person")
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_person_shop_once")]

    def __str__(self) -> str:
        return f"{self.since:%F %T}"
