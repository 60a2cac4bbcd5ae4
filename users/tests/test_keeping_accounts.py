"""Who keeps the accounts sets nobody's password, and what they do to one is written down."""

import re
import smtplib
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from conftest import PASSWORD, login, make_staff
from core.append_only import NeverChanges
from users.models import AccountChange, User
from users.tests.test_roles import page, user_form

LINK = re.compile(r"https://shop\.example(/users/password/reset/\S+)")
# As the page that is to be changed says it, beside the field: nothing of it was.
UNCHANGED = {"initial-date_joined_0": "2026-11-22", "initial-date_joined_1": "10:00:00"}
NEW_PASSWORD = {"new_password1": "oolong-2027", "new_password2": "oolong-2027"}


@pytest.fixture
def owners(owner: User) -> Client:
    return login(owner)


def changes() -> list[tuple[str, str, str]]:
    return list(AccountChange.objects.values_list("by__username", "account__username", "what"))


def add(client: Client, **fields: Any) -> Any:
    return client.post(reverse("admin:users_user_add"), fields)


@pytest.mark.parametrize("who", ["owner", "operator"])
def test_nobody_sets_anothers_password(
    owner: User, operator: User, cashier: User, who: str
) -> None:
    client = login(User.objects.get(username=who))
    chosen = {"usable_password": "true", "password1": "oolong-2027", "password2": "oolong-2027"}

    client.post(f"/admin/users/user/{cashier.pk}/password/", chosen)
    client.post(page(cashier), user_form(cashier) | chosen | {"password": "oolong-2027"})
    add(client, username="puppet", email="owner@example.com", **chosen)

    cashier.refresh_from_db()
    assert cashier.check_password(PASSWORD)
    assert not User.objects.get(username="puppet").has_usable_password()


def test_a_new_account_needs_an_address(owners: Client) -> None:
    response = add(owners, username="puppet")

    assert response.status_code == 200
    assert not User.objects.filter(username="puppet").exists()


@pytest.mark.parametrize("is_new", [True, False])
def test_a_link_lets_its_reader_choose_a_password(
    owners: Client, cashier: User, is_new: bool
) -> None:
    if is_new:
        add(owners, username="porter", email="porter@example.com")
        user = User.objects.get(username="porter")
    else:
        user = cashier
        User.objects.filter(pk=user.pk).update(email="cashier@example.com")

    response = owners.post(page(user, "users_user_link"))

    [letter] = mail.outbox
    link = LINK.search(str(letter.body))
    assert response.status_code == 302
    assert link
    reader = Client()
    form = reader.get(link[1], follow=True)
    reader.post(form.redirect_chain[-1][0], NEW_PASSWORD)
    user.refresh_from_db()
    assert (letter.to, user.check_password("oolong-2027")) == ([user.email], True)
    assert changes()[-1] == ("owner", user.username, "LINK_SENT")
    again = Client().get(link[1], follow=True)
    assert not again.context["validlink"]


def test_there_must_be_an_address_to_send_a_link_to(
    owners: Client, cashier: User, settings: Any
) -> None:
    owners.post(page(cashier, "users_user_link"))
    User.objects.filter(pk=cashier.pk).update(email="cashier@example.com")
    settings.SHOP_URL = ""
    owners.post(page(cashier, "users_user_link"))

    assert mail.outbox == []
    assert changes() == []


def test_a_mail_server_that_is_gone_is_told(owners: Client, cashier: User, settings: Any) -> None:
    User.objects.filter(pk=cashier.pk).update(email="cashier@example.com")
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # nobody listens
    assert issubclass(smtplib.SMTPException, OSError)

    response = owners.post(
        page(cashier, "users_user_link"), follow=True, headers={"Accept-Language": "en"}
    )

    assert "The mail server does not take the email" in response.content.decode()


def test_what_is_done_to_an_account_is_written_down(owners: Client, bob: User) -> None:
    cashiers = Group.objects.get(name="cashier")
    add(owners, username="porter", email="porter@example.com")
    owners.post(page(bob), user_form(bob, **UNCHANGED))
    assert changes() == [("owner", "porter", "MADE")]

    for change in (
        {"email": "bob@example.com"},
        {"email": "bob@example.com", "is_staff": "on"},
        {"email": "bob@example.com", "is_staff": "on", "groups": [cashiers.pk]},
    ):
        owners.post(page(bob), user_form(bob, **UNCHANGED, **change))
    owners.post(
        reverse("admin:auth_group_change", args=[cashiers.pk]),
        {"name": "cashier", "permissions": [permission("payments.approve_refund").pk]},
    )

    assert changes()[1:] == [("owner", "bob", "CHANGED")] * 4


def permission(name: str) -> Permission:
    app, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)


def test_what_one_does_to_oneself_is_nobodys_business(owners: Client, owner: User) -> None:
    owners.post(page(owner), user_form(owner, email="owner@example.com"))

    assert User.objects.get(pk=owner.pk).email == "owner@example.com"
    assert changes() == []


def test_a_change_of_an_account_stays(owner: User, bob: User) -> None:
    change = AccountChange.objects.create(account=bob, by=owner, what="MADE")

    with pytest.raises(NeverChanges):
        change.delete()
    with pytest.raises(DatabaseError), transaction.atomic():
        AccountChange.objects.all()._raw_delete("default")


def made(account: str, *, by: str) -> None:
    """Let one make another's account; both are there afterwards."""
    accounts = [
        User.objects.filter(username=name).first() or make_staff("owner", name)
        for name in (account, by)
    ]
    AccountChange.objects.create(account=accounts[0], by=accounts[1], what="MADE")


@pytest.mark.parametrize(
    ("made_by", "apart"),
    [
        ([], True),
        ([("ann", "ben")], False),
        ([("ben", "ann")], False),
        # A puppet makes another.
        ([("cat", "ann"), ("ben", "cat")], False),
        # Two puppets of one owner's.
        ([("ann", "cat"), ("ben", "cat")], False),
        # Two owners had a hand in a third account.
        ([("cat", "ann"), ("cat", "ben")], True),
    ],
)
def test_who_is_behind_whom(db: None, made_by: list[tuple[str, str]], apart: bool) -> None:
    ann, ben = make_staff("owner", "ann"), make_staff("owner", "ben")
    for account, by in made_by:
        made(account, by=by)

    assert (not ann.behind() & ben.behind()) == apart
    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)):
        assert not ann.behind() & ben.behind()
