"""A request of somebody who is logged in: for views and operations behind a login."""

from django.http import HttpRequest

from users.models import User


class UserRequest(HttpRequest):
    user: User
