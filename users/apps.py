from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class UsersConfig(AppConfig):
    name = "users"
    verbose_name = _("Users")

    def ready(self) -> None:
        from users.roles import make_once  # noqa: PLC0415  its models are there only now

        post_migrate.connect(make_once, sender=self)
