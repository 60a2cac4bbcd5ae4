"""Who buys, and who keeps the shop."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """Our own from the first migration, so that it can grow."""
