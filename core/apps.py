from django.apps import AppConfig
from django.contrib.admin import apps as admin


class CoreConfig(AppConfig):
    name = "core"


class AdminConfig(admin.AdminConfig):
    """Django's admin, with the shop's own `admin.site`."""

    default = False
    default_site = "core.admin.ShopAdmin"
