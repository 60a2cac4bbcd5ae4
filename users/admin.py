"""Who may what: nobody gives away more than they hold, and nobody rises above themselves.

An owner who is no superuser keeps users and groups, but a superuser's account, or that of anybody
who holds more, is theirs to look at only: with its password or its mail address one would hold it.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group, Permission
from django.db.models import ManyToManyField, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from users.models import User


def held_by(user: Any) -> QuerySet[Permission]:
    """Return what somebody holds, or would hold if they were active."""
    if user.is_superuser:
        return Permission.objects.all()
    # As ids: joined twice, each permission would come as often as there are ways to it.
    return Permission.objects.filter(
        pk__in=Permission.objects.filter(Q(group__user=user) | Q(user=user)).values("pk")
    )


def beyond(user: Any) -> QuerySet[Permission]:
    """Return what somebody does not hold."""
    return Permission.objects.exclude(pk__in=held_by(user).values("pk"))


@admin.register(User)
class UserAdmin(auth_admin.UserAdmin):
    fieldsets = (
        *(auth_admin.UserAdmin.fieldsets or ()),
        (_("Emails"), {"fields": ("language",)}),
    )

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if not super().has_change_permission(request, obj):
            return False
        return obj is None or not outranks(obj, request.user)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if not super().has_delete_permission(request, obj):
            return False
        return obj is None or not outranks(obj, request.user)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        if request.user.is_superuser:
            return fields
        return (*fields, "is_superuser", "user_permissions")

    def formfield_for_manytomany(
        self, db_field: ManyToManyField, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "groups":
            kwargs["queryset"] = Group.objects.exclude(permissions__in=beyond(request.user))
        return super().formfield_for_manytomany(db_field, request, **kwargs)


def outranks(user: User, other: Any) -> bool:
    """Whether somebody holds what the other does not."""
    if other.is_superuser:
        return False
    return user.is_superuser or (held_by(user).filter(pk__in=beyond(other).values("pk")).exists())


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(auth_admin.GroupAdmin):
    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return super().has_change_permission(request, obj) and is_within(obj, request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return super().has_delete_permission(request, obj) and is_within(obj, request.user)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField, request: HttpRequest | None = None, **kwargs: Any
    ) -> Any:
        if request and db_field.name == "permissions":
            kwargs["queryset"] = held_by(request.user)
        return super().formfield_for_manytomany(db_field, request, **kwargs)


def is_within(group: Group | None, user: Any) -> bool:
    """Whether a group, if one is named, gives nothing that the user does not hold."""
    return group is None or not group.permissions.filter(pk__in=beyond(user).values("pk")).exists()
