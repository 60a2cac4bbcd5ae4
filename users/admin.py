"""Who may what: nobody gives away more than they hold, and nobody rises above themselves.

An owner who is no superuser keeps users and groups, but a superuser's account, or that of anybody
who holds more, is theirs to look at only: with its mail address one would hold it.

Nobody sets another's password: who keeps an account sends a link to its address. Whoever makes or
changes one is written down (`AccountChange`), and cannot be the second of four eyes with it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db.models import ManyToManyField, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from core.buttons import Button, WithButtons
from users import links
from users.forms import NewAccountForm
from users.models import AccountChange, User


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


def note_change(accounts: Iterable[User], *, what: str, by: Any) -> None:
    """Write down that somebody changed the accounts of others."""
    AccountChange.objects.bulk_create(
        AccountChange(account=account, by=by, what=what) for account in accounts if account != by
    )


SEND_LINK = Button(
    name="link",
    permission="users.change_user",
    label=_("Send a link to choose a password"),
    confirmation=links.what_sending_does,
    do=links.send,
    is_available=lambda user: user.is_active,
)


@admin.register(User)
class UserAdmin(WithButtons, auth_admin.UserAdmin):
    buttons = (SEND_LINK,)
    fieldsets = (
        (None, {"fields": ("username",)}),
        *(auth_admin.UserAdmin.fieldsets or ())[1:],
        (_("Emails"), {"fields": ("language",)}),
    )
    add_form = NewAccountForm
    add_form_template = None
    add_fieldsets = ((None, {"fields": ("username", "email")}),)

    def get_urls(self) -> list[URLPattern]:
        """Leave out Django's page on which one sets another's password."""
        return [url for url in super().get_urls() if url.name != "auth_user_password_change"]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if not change or form.changed_data:
            what = AccountChange.What.CHANGED if change else AccountChange.What.MADE
            note_change([form.instance], what=what, by=request.user)

    def buttons_for(self, request: HttpRequest, row: Any) -> Iterator[dict[str, Any]]:
        may = self.has_change_permission(request, row)
        return super().buttons_for(request, row) if may else iter(())

    def press(self, request: HttpRequest, row_id: int, *, button: Button) -> HttpResponse:
        if not self.has_change_permission(request, self.get_object(request, str(row_id))):
            raise PermissionDenied
        return super().press(request, row_id, button=button)

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

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Count a changed role as a change of everybody who has it."""
        super().save_related(request, form, formsets, change)
        if form.changed_data:
            members = User.objects.filter(groups=form.instance)
            note_change(members, what=AccountChange.What.CHANGED, by=request.user)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField, request: HttpRequest | None = None, **kwargs: Any
    ) -> Any:
        if request and db_field.name == "permissions":
            kwargs["queryset"] = held_by(request.user)
        return super().formfield_for_manytomany(db_field, request, **kwargs)


def is_within(group: Group | None, user: Any) -> bool:
    """Whether a group, if one is named, gives nothing that the user does not hold."""
    return group is None or not group.permissions.filter(pk__in=beyond(user).values("pk")).exists()
