"""The demo's accounts: one for each of the staff, with a password that everybody may know."""

from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from core.management.commands.demo import PASSWORD, ROLES
from users.models import User


def test_each_account_is_told_and_opens_the_admin(
    db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        call_command("demo")

    told = capsys.readouterr().out
    for name in ("shopper", "operator", *ROLES):
        assert told.count(f"{name} / {PASSWORD}") == 2
        client = Client()
        client.post("/users/login/", {"username": name, "password": PASSWORD})
        assert client.get("/admin/").status_code == (302 if name == "shopper" else 200)
    assert {
        name: [str(group) for group in User.objects.get(username=name).groups.all()]
        for name in ROLES
    } == {name: [name] for name in ROLES}


def test_there_are_no_such_accounts_in_production(db: None, settings: Any) -> None:
    settings.ALIPAY_DEBUG = False

    with pytest.raises(CommandError):
        call_command("demo")

    assert User.objects.count() == 0
