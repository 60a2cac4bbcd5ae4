"""What the worker throws away at night, and that nobody else tells it what to do."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from conftest import PASSWORD, login
from users.models import User


@pytest.mark.django_db
def test_the_worker_cleans_up_at_night(alice: User, bob: User) -> None:
    from core import tasks  # noqa: PLC0415  it starts Huey

    login(alice)
    login(bob)
    Client().post("/users/login/", {"username": "alice", "password": "wrong"})
    Client().post("/users/login/", {"username": "bob", "password": "wrong"})
    over = Session.objects.first()
    assert over
    Session.objects.filter(pk=over.pk).update(expire_date=timezone.now() - timedelta(seconds=1))
    yesterday = timezone.now() - timedelta(days=1, seconds=1)
    AccessAttempt.objects.filter(username="alice").update(attempt_time=yesterday)

    tasks.clean_up.call_local()

    assert [session.pk for session in Session.objects.all()] != [over.pk]
    assert Session.objects.count() == 1
    assert [attempt.username for attempt in AccessAttempt.objects.all()] == ["bob"]


def test_logging_in_leaves_no_row_for_ever(alice: User) -> None:
    Client().post("/users/login/", {"username": "alice", "password": PASSWORD})

    assert AccessLog.objects.count() == 0


def test_a_message_that_the_shop_did_not_write_is_not_run() -> None:
    from huey.contrib.djhuey import HUEY  # noqa: PLC0415  it starts Huey

    from core import tasks  # noqa: PLC0415  so does it

    message = HUEY.serialize_task(tasks.tick.s())
    assert HUEY.deserialize_task(message).name == "tick"

    forged = message[:-1] + (b"0" if message[-1:] != b"0" else b"1")
    with pytest.raises(ValueError, match=r"[Ss]ignature"):
        HUEY.deserialize_task(forged)
