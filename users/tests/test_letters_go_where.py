"""The address and the language of a shopper's letters."""

from typing import Any

import pytest
from django.test import Client

from conftest import PASSWORD
from users.models import User

NEW = "alice@example.com"


def change(client: Client, **changes: str) -> Any:
    fields = {"email": "", "language": "zh-hans", "password": ""}
    return client.post("/users/account/", fields | changes)


@pytest.mark.parametrize(("header", "language"), [("en", "en"), ("zh-CN", "zh-hans")])
def test_registering_keeps_address_and_language(
    client: Client, db: None, header: str, language: str
) -> None:
    fields = {"username": "carol", "password1": PASSWORD, "password2": PASSWORD, "email": NEW}

    client.post("/users/register/", fields, headers={"Accept-Language": header})

    carol = User.objects.get()
    assert (carol.email, carol.language, carol.language_of_letters) == (NEW, language, language)


def test_registering_by_the_api_keeps_them_too(client: Client, db: None) -> None:
    body = {"username": "dora", "password": PASSWORD, "email": NEW}

    client.post("/api/v1/users", body, "application/json", headers={"Accept-Language": "en"})

    assert User.objects.values_list("email", "language").get() == (NEW, "en")


@pytest.mark.parametrize("email", ["no address", "a@b.cn\nBcc: c@d.cn", f"{'x' * 250}@b.cn", 1])
def test_registering_by_the_api_refuses_what_is_no_address(
    client: Client, db: None, email: object
) -> None:
    body = {"username": "dora", "password": PASSWORD, "email": email}

    response = client.post("/api/v1/users", body, "application/json")

    assert (response.status_code, list(response.json()["errors"])) == (422, ["email"])
    assert not User.objects.exists()


def test_the_first_login_decides_the_language(client: Client, alice: User) -> None:
    assert alice.language_of_letters == "zh-hans"

    for header in ("en", "zh-CN"):
        body = {"username": "alice", "password": PASSWORD}
        client.post("/users/login/", body, headers={"Accept-Language": header})

    alice.refresh_from_db()
    assert alice.language_of_letters == "en"


def test_the_account_page_changes_both(alices: Client, alice: User) -> None:
    response = change(alices, email=NEW, language="en", password=PASSWORD)

    assert response["Location"] == "/users/account/"
    assert User.objects.values_list("email", "language").get() == (NEW, "en")
    assert f'value="{NEW}"' in alices.get("/users/account/").content.decode()


def test_a_new_address_needs_the_password(alices: Client, alice: User) -> None:
    for password in ("", "wrong"):
        response = change(alices, email=NEW, password=password)
        assert list(response.context["form"].errors) == ["password"]
    assert User.objects.get().email == ""

    assert change(alices, language="en").status_code == 302
    assert User.objects.get().language == "en"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"email": "a@b.cn\r\nBcc: c@d.cn"}, "email"),
        ({"email": f"{'x' * 250}@b.cn"}, "email"),
        ({"language": "tlh"}, "language"),
    ],
)
def test_the_account_page_refuses(alices: Client, changes: dict[str, str], field: str) -> None:
    response = change(alices, **{"password": PASSWORD} | changes)

    assert list(response.context["form"].errors) == [field]
    assert User.objects.values_list("email", "language").get() == ("", "")


def test_the_account_page_changes_ones_own_account_alone(alices: Client, bob: User) -> None:
    change(alices, email=NEW, password=PASSWORD, id=str(bob.pk), username="bob")

    bob.refresh_from_db()
    assert bob.email == ""
