"""The roles of the staff; and that nobody rises above themselves by the admin."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from conftest import login, make_staff
from users.models import User


@pytest.fixture
def owners(owner: User) -> Client:
    return login(owner)


def permission(name: str) -> Permission:
    app, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)


def user_form(user: User, **changes: Any) -> dict[str, Any]:
    """What the owner's browser posts for an account: unticked boxes are left out."""
    form = {
        "username": user.username,
        "date_joined_0": "2026-11-22",
        "date_joined_1": "10:00:00",
        "is_active": "on",
        "is_staff": "on" if user.is_staff else None,
        "groups": list(user.groups.values_list("pk", flat=True)),
    }
    return {name: value for name, value in (form | changes).items() if value is not None}


def page(user: User, page: str = "users_user_change") -> str:
    return reverse(f"admin:{page}", args=[user.pk])


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        (
            "clerk",
            ["products.change_product", "products.correct_stock", "payments.view_notice"],
            ["payments.add_refund", "payments.ask_payment", "orders.cancel_order"],
        ),
        (
            "cashier",
            ["payments.add_refund", "payments.ask_payment", "orders.cancel_order"],
            ["payments.approve_refund", "products.change_product", "users.view_user"],
        ),
        (
            "owner",
            ["payments.approve_refund", "payments.replay_notice", "products.correct_stock"],
            ["users.delete_user", "admin.delete_logentry", "auth.change_permission"],
        ),
    ],
)
def test_what_each_role_may(db: None, role: str, may: list[str], may_not: list[str]) -> None:
    user = make_staff(role)

    assert [user.has_perm(name) for name in may] == [True] * len(may)
    assert [user.has_perm(name) for name in may_not] == [False] * len(may_not)


def test_the_owner_may_all_that_the_others_may(clerk: User, cashier: User, owner: User) -> None:
    assert clerk.get_all_permissions() | cashier.get_all_permissions() < owner.get_all_permissions()


def test_an_owner_gives_a_role(owners: Client, bob: User) -> None:
    cashiers = Group.objects.get(name="cashier")

    response = owners.post(page(bob), user_form(bob, is_staff="on", groups=[cashiers.pk]))

    bob = User.objects.get(pk=bob.pk)
    assert response.status_code == 302
    assert (bob.is_staff, bob.has_perm("payments.add_refund")) == (True, True)


@pytest.mark.parametrize("who", ["bob", "owner"])
def test_an_owner_makes_no_superuser(owners: Client, bob: User, owner: User, who: str) -> None:
    user = User.objects.get(username=who)
    everything = list(Permission.objects.values_list("pk", flat=True))

    response = owners.post(
        page(user), user_form(user, is_superuser="on", user_permissions=everything)
    )

    user.refresh_from_db()
    assert response.status_code == 302
    assert (user.is_superuser, user.user_permissions.count()) == (False, 0)


def test_an_owner_gives_no_group_that_holds_more(owners: Client, owner: User, bob: User) -> None:
    more = Group.objects.create(name="auditors")
    more.permissions.add(permission("admin.delete_logentry"))

    for user in (bob, owner):
        groups = [*user.groups.values_list("pk", flat=True), more.pk]
        response = owners.post(page(user), user_form(user, groups=groups))
        assert response.status_code == 200
        assert response.context["errors"]

    assert not more.user_set.exists()


def test_an_owner_puts_no_more_into_a_group(owners: Client) -> None:
    owner_group = Group.objects.get(name="owner")
    address = reverse("admin:auth_group_change", args=[owner_group.pk])
    chosen = [permission("admin.delete_logentry").pk]

    response = owners.post(address, {"name": "owner", "permissions": chosen})

    assert response.status_code == 200
    assert response.context["errors"]
    assert not owner_group.permissions.filter(codename="delete_logentry").exists()


def test_an_owner_only_looks_at_a_group_that_holds_more(owners: Client) -> None:
    more = Group.objects.create(name="auditors")
    more.permissions.add(permission("admin.delete_logentry"))

    for address in ("admin:auth_group_change", "admin:auth_group_delete"):
        response = owners.post(reverse(address, args=[more.pk]), {"name": "x", "post": "yes"})
        assert response.status_code == 403

    assert Group.objects.filter(name="auditors").exists()


@pytest.mark.parametrize("is_active", [True, False])
@pytest.mark.parametrize("how", ["superuser", "own permission", "group"])
def test_an_owner_does_not_take_the_account_of_who_holds_more(
    owners: Client, bob: User, how: str, is_active: bool
) -> None:
    bob.is_superuser, bob.is_active = how == "superuser", is_active
    bob.save()
    if how == "own permission":
        bob.user_permissions.add(permission("admin.delete_logentry"))
    elif how == "group":
        group = Group.objects.create(name="auditors")
        group.permissions.add(permission("admin.delete_logentry"))
        bob.groups.add(group)
    changed = owners.post(page(bob), user_form(bob, email="owner@example.com"))
    sent = owners.post(page(bob, "users_user_link"))

    bob.refresh_from_db()
    assert (changed.status_code, sent.status_code) == (403, 403)
    assert bob.email == ""
    assert owners.get(page(bob)).status_code == 200


def test_a_superuser_still_gives_everything(operators: Client, bob: User) -> None:
    chosen = permission("admin.delete_logentry").pk

    response = operators.post(
        page(bob), user_form(bob, is_superuser="on", user_permissions=[chosen])
    )

    bob.refresh_from_db()
    assert response.status_code == 302
    assert (bob.is_superuser, bob.user_permissions.count()) == (True, 1)


def test_nobody_is_logged_in_as_staff_by_registering(db: None) -> None:
    form = {
        "username": "mallory",
        "password1": "oolong-2027",
        "password2": "oolong-2027",
        "is_staff": "on",
        "groups": [Group.objects.get(name="owner").pk],
    }

    Client().post("/users/register/", form)

    mallory = User.objects.get(username="mallory")
    assert (mallory.is_staff, mallory.groups.count()) == (False, 0)
