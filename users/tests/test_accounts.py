"""Signing up, logging in, and what nobody learns from it."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client

from conftest import PASSWORD
from users.models import User

ENGLISH = {"Accept-Language": "en"}


def sign_up(client: Client, **changes: str) -> Any:
    fields = {"username": "carol", "password1": PASSWORD, "password2": PASSWORD}
    return client.post("/users/register/", fields | changes)


def log_in(client: Client, username: str, password: str, **fields: str) -> Any:
    return client.post(
        "/users/login/", {"username": username, "password": password} | fields, headers=ENGLISH
    )


def test_register_makes_an_account_and_logs_in(client: Client, db: None) -> None:
    response = sign_up(client, next="/order/")

    assert (response.status_code, response["Location"]) == (302, "/order/")
    assert client.session["_auth_user_id"] == str(User.objects.get(username="carol").pk)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "a b"}, "username"),
        ({"username": "x" * 151}, "username"),
        ({"username": "a\0b"}, "username"),
        ({"username": "ALICE"}, "username"),
        ({"password2": "other-2026"}, "password2"),
        ({"password1": "12345678", "password2": "12345678"}, "password2"),
        ({"password1": "carol123", "password2": "carol123"}, "password2"),
        ({"password1": "short", "password2": "short"}, "password2"),
        ({"email": "no address"}, "email"),
    ],
)
def test_register_refuses(client: Client, alice: User, changes: dict[str, str], field: str) -> None:
    response = sign_up(client, **changes)

    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert User.objects.count() == 1


def test_register_does_not_say_that_a_name_exists(client: Client, alice: User) -> None:
    response = client.post(
        "/users/register/",
        {"username": "alice", "password1": PASSWORD, "password2": PASSWORD},
        headers=ENGLISH,
    )

    words = response.context["form"].errors["username"]
    assert words == ["This username cannot be used. Please choose another."]


@pytest.mark.django_db(transaction=True)
def test_register_twice_at_once_makes_one_account(settings: Any) -> None:
    # As slow as in a real shop: long enough for all of them to have found the name free.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]

    def click(number: int) -> int:
        try:
            return sign_up(Client()).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(click, range(6)))

    assert statuses == [200] * 5 + [302]
    assert User.objects.count() == 1


def test_login_and_logout(client: Client, alice: User) -> None:
    response = log_in(client, "alice", PASSWORD)
    assert (response.status_code, response["Location"]) == (302, "/")
    assert client.get("/order/").status_code == 200

    assert client.get("/users/logout/").status_code == 405
    client.post("/users/logout/")
    assert client.get("/order/")["Location"] == "/users/login/?next=/order/"


@pytest.mark.parametrize(
    ("wanted", "led_to"),
    [
        ("/order/", "/order/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("http:///evil.example", "/"),
    ],
)
@pytest.mark.parametrize("page", ["login", "register"])
def test_next_stays_in_the_shop(
    client: Client, alice: User, page: str, wanted: str, led_to: str
) -> None:
    if page == "login":
        response = log_in(client, "alice", PASSWORD, next=wanted)
    else:
        response = sign_up(client, next=wanted)

    assert (response.status_code, response["Location"]) == (302, led_to)


def test_login_says_the_same_whether_the_account_exists(client: Client, alice: User) -> None:
    known = log_in(client, "alice", "wrong")
    unknown = log_in(client, "nobody", "wrong")

    assert known.context["form"].errors == unknown.context["form"].errors != {}


def test_brute_force_is_stopped(client: Client, alice: User) -> None:
    statuses = [log_in(client, "alice", f"wrong {n}").status_code for n in range(11)]

    locked = log_in(client, "alice", PASSWORD)

    assert statuses == [200] * 9 + [429] * 2
    assert (locked.status_code, locked["Retry-After"]) == (429, "900")
    assert "Too many attempts" in locked.content.decode()
    assert "_auth_user_id" not in client.session


def test_brute_force_of_a_name_that_does_not_exist_is_stopped_alike(
    client: Client, db: None
) -> None:
    statuses = [log_in(client, "nobody", f"wrong {n}").status_code for n in range(11)]

    assert statuses == [200] * 9 + [429] * 2


def test_password_reset_by_mail(client: Client, alice: User) -> None:
    User.objects.update(email="alice@example.com")
    client.post("/users/password/reset/", {"email": "alice@example.com"})
    (letter,) = mail.outbox
    address = re.search(r"http://testserver(/users/password/reset/\S+/\S+/)", str(letter.body))
    assert address
    form = client.get(address[1], follow=True)
    new = "oolong-2026-new"

    client.post(
        form.redirect_chain[-1][0], {"new_password1": new, "new_password2": new}, follow=True
    )

    assert log_in(Client(), "alice", new).status_code == 302
    assert log_in(Client(), "alice", PASSWORD).status_code == 200


def test_password_reset_says_the_same_whether_the_account_exists(
    client: Client, alice: User
) -> None:
    User.objects.update(email="alice@example.com")

    known = client.post("/users/password/reset/", {"email": "alice@example.com"}, follow=True)
    unknown = client.post("/users/password/reset/", {"email": "nobody@example.com"}, follow=True)

    assert known.redirect_chain == unknown.redirect_chain
    # Each response has a token and a nonce of its own.
    without_chance = [
        re.sub(r'\b\w{64}\b|nonce="[^"]+"', "", response.content.decode())
        for response in (known, unknown)
    ]
    assert without_chance[0] == without_chance[1]
    assert len(mail.outbox) == 1


def test_password_change(alices: Client) -> None:
    new = "oolong-2026-new"
    response = alices.post(
        "/users/password/change/",
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )

    assert response["Location"] == "/users/password/change/done/"
    assert User.objects.get().check_password(new)
    assert alices.get(response["Location"]).status_code == 200


def test_every_page_of_an_account_is_there(client: Client, alices: Client) -> None:
    for page in ("register", "login", "password/reset", "password/reset/done"):
        assert client.get(f"/users/{page}/").status_code == 200, page
    for page in ("password/reset/complete", "password/reset/MQ/wrong-token"):
        assert client.get(f"/users/{page}/").status_code == 200, page
    for page in ("account", "password/change", "password/change/done"):
        assert alices.get(f"/users/{page}/").status_code == 200, page
        assert client.get(f"/users/{page}/").status_code == 302, page


def test_register_by_the_api(client: Client, db: None) -> None:
    response = client.post(
        "/api/v1/users",
        {"username": "dora", "password": PASSWORD},
        content_type="application/json",
    )

    assert (response.status_code, response.json()) == (201, {"username": "dora"})
    assert log_in(client, "dora", PASSWORD).status_code == 302


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": "alice", "password": PASSWORD}, "username"),
        ({"username": "dora", "password": "12345678"}, "password"),
        ({"username": "dora"}, "password"),
        ({"username": "", "password": PASSWORD}, "username"),
        ({"username": "a\0b", "password": PASSWORD}, "username"),
        ({"username": "\ud800", "password": PASSWORD}, "username"),
        ({"username": ["dora"], "password": PASSWORD}, "username"),
        ({"username": "dora", "password": "x" * 129}, "password"),
    ],
)
def test_register_by_the_api_refuses(
    client: Client, alice: User, body: dict[str, Any], field: str
) -> None:
    response = client.post("/api/v1/users", body, content_type="application/json")

    assert (response.status_code, response["Content-Type"]) == (422, "application/problem+json")
    assert list(response.json()["errors"]) == [field]
    assert User.objects.count() == 1


@pytest.mark.parametrize("username", ["аdmin", "ΑLICE", "раypal", "al٣ce", "ａlice\u200b"])
def test_a_name_that_looks_like_anothers_is_refused(
    db: None, client: Client, username: str
) -> None:
    form = {"username": username, "password1": PASSWORD, "password2": PASSWORD}

    page = client.post("/users/register/", form)
    answer = client.post(
        "/api/v1/users", {"username": username, "password": PASSWORD}, "application/json"
    )

    assert list(page.context["form"].errors) == ["username"]
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["username"])
    assert User.objects.count() == 0


@pytest.mark.parametrize("username", ["小明", "𠮷野", "alice_2026", "li.wei@example.com"])
def test_a_name_of_chinese_or_english_is_welcome(db: None, client: Client, username: str) -> None:
    form = {"username": username, "password1": PASSWORD, "password2": PASSWORD}

    client.post("/users/register/", form)

    assert User.objects.get().username == username
