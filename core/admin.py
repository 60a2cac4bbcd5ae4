"""What every page of the shop's books shares."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest


class ReadOnly:
    """Money is looked at in the admin; only the stories of orders and payments change it."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
