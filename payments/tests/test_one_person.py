"""A shop of one person: a day to switch it on, an hour for each large refund, told by mail."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client

from conftest import make_order, make_product
from letters.one_person import tell_of_what_waits
from payments import one_person
from payments.exceptions import OwnOrder
from payments.models.one_person import OnePersonShop
from payments.models.refund import Refund
from payments.refunds import decline, request_refund
from payments.tests.alipay_side import paid
from users.models import User

NOW = datetime.fromisoformat("2026-11-22T10:00:00+08:00")
A_MINUTE, AN_HOUR, A_DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(settings: Any) -> Iterator[Any]:
    settings.ONE_PERSON_SHOP, settings.REFUND_APPROVAL_AMOUNT = True, Decimal("10.00")
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def asked(operator: User, bob: User) -> Refund:
    User.objects.filter(pk=operator.pk).update(email="operator@example.com")
    payment = paid(make_order(bob, make_product("incense", price="19.80", stock=3)))
    return request_refund(payment, amount=Decimal("19.80"), by=operator, reason="broken")


def tick(asked: Refund) -> str:
    """Let both hands of the worker do what is due; return how the refund stands."""
    one_person.note_setting()
    one_person.let_go_what_waited()
    tell_of_what_waits()
    asked.refresh_from_db()
    return asked.status


def test_it_counts_a_day_after_it_was_switched_on(asked: Refund, clock: Any) -> None:
    assert tick(asked) == "WAITING"

    clock.move_to(NOW + A_DAY - A_MINUTE)
    assert (tick(asked), asked.due_at, mail.outbox) == ("WAITING", None, [])

    clock.move_to(NOW + A_DAY)
    assert (tick(asked), asked.due_at) == ("WAITING", NOW + A_DAY + AN_HOUR)


def test_a_large_refund_is_told_and_goes_after_an_hour(asked: Refund, clock: Any) -> None:
    tick(asked)
    clock.move_to(NOW + A_DAY)
    tick(asked)
    tick(asked)
    [letter] = mail.outbox
    assert letter.to == ["operator@example.com"]
    assert "19.80" in letter.body
    assert f"https://shop.example/admin/payments/refund/{asked.pk}/change/" in letter.body

    clock.move_to(NOW + A_DAY + AN_HOUR - A_MINUTE)
    assert tick(asked) == "WAITING"
    clock.move_to(NOW + A_DAY + AN_HOUR)

    assert tick(asked) == "REQUESTED"
    assert asked.payment.order.events.get(what="REFUND_APPROVED").by is None
    assert len(mail.outbox) == 1


def test_in_its_hour_it_can_be_declined(asked: Refund, operator: User, clock: Any) -> None:
    tick(asked)
    clock.move_to(NOW + A_DAY)
    tick(asked)

    decline(asked, by=operator, reason="it was not me")
    clock.move_to(NOW + A_DAY + AN_HOUR)

    assert (tick(asked), asked.due_at) == ("DECLINED", None)


def test_nobody_told_is_nothing_let_go(asked: Refund, clock: Any) -> None:
    User.objects.update(email="")
    tick(asked)
    clock.move_to(NOW + A_DAY)
    tick(asked)
    clock.move_to(NOW + 3 * A_DAY)

    assert (tick(asked), asked.due_at) == ("WAITING", None)


def test_a_mail_server_that_is_gone_starts_no_hour(
    asked: Refund, clock: Any, settings: Any
) -> None:
    tick(asked)
    clock.move_to(NOW + A_DAY)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # nobody listens

    assert (tick(asked), asked.due_at) == ("WAITING", None)


def test_switched_off_it_ends_at_once_and_takes_a_day_again(
    asked: Refund, clock: Any, settings: Any
) -> None:
    tick(asked)
    clock.move_to(NOW + A_DAY)
    tick(asked)
    settings.ONE_PERSON_SHOP = False
    clock.move_to(NOW + A_DAY + AN_HOUR)

    assert (tick(asked), asked.due_at) == ("WAITING", None)
    assert not OnePersonShop.objects.exists()
    settings.ONE_PERSON_SHOP = True
    clock.move_to(NOW + A_DAY + 2 * AN_HOUR)
    assert (tick(asked), one_person.has_begun()) == ("WAITING", False)


def test_one_person_alone_does_not_refund_their_own_order_either(
    operator: User, clock: Any
) -> None:
    payment = paid(make_order(operator, make_product()))

    with pytest.raises(OwnOrder):
        request_refund(payment, amount=Decimal("1.00"), by=operator, reason="mine")


def test_the_desk_tells_it(asked: Refund, operators: Client, clock: Any) -> None:
    def desk() -> str:
        return operators.get("/admin/", headers={"Accept-Language": "en"}).content.decode()

    assert "It counts a day after the worker has seen it" in desk()
    tick(asked)
    assert "on no second operator is asked" in desk()
    clock.move_to(NOW + A_DAY)
    assert "No second operator is asked for a large refund" in desk()
    User.objects.update(email="")
    assert "large refunds go on waiting" in desk()
