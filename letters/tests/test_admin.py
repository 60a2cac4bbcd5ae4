"""The letters in the admin: to look at, and to send one again."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from conftest import login, make_order, make_product
from letters import post
from letters.models import Letter
from payments.models.payment import Payment
from payments.refunds import request_refund
from payments.tests.test_settle import trade_of
from products.models import Product
from users.models import User

LIST = "/admin/letters/letter/"


@pytest.fixture
def letter(alice: User, tea: Product) -> Letter:
    alice.email = "alice@example.com"
    alice.save()
    make_order(alice, tea)
    post.write_letters()
    return Letter.objects.get()


def again(letter: Letter) -> str:
    return reverse("admin:letters_letter_again", args=[letter.pk])


def test_the_admin_shows_what_a_letter_says(operators: Client, letter: Letter) -> None:
    page = operators.get(f"{LIST}{letter.pk}/change/").content.decode()

    for word in (letter.event.order.order_id, "alice@example.com", "龙井 tea"):
        assert word in page
    assert again(letter) not in page  # it is still on its way
    post.send_what_is_due()
    assert again(letter) in operators.get(f"{LIST}{letter.pk}/change/").content.decode()


def test_what_was_typed_into_a_letter_is_text_in_the_admin(
    operators: Client, operator: User, alice: User
) -> None:
    alice.email = "alice@example.com"
    alice.save()
    order = make_order(alice, make_product("<script src='/static/a.js'></script>"))
    payment = Payment.objects.attempt(order)
    payment.settle(trade_of(payment))
    refund = request_refund(
        payment, amount=Decimal("5.00"), by=operator, reason="<form hx-get='/'></form>"
    )
    refund.mark_done()
    post.write_letters()
    letter = Letter.objects.get(kind="REFUND_DONE")

    page = operators.get(f"{LIST}{letter.pk}/change/").content.decode()

    for markup in ("<script src='/static/a.js'></script>", "<form hx-get='/'></form>"):
        assert markup not in page
        assert escape(markup) in page


@pytest.mark.parametrize(("status", "rows"), [("WAITING", 1), ("FAILED", 0)])
def test_the_list_can_be_filtered(
    operators: Client, letter: Letter, status: str, rows: int
) -> None:
    response = operators.get(f"{LIST}?status__exact={status}&q={letter.event.order}")

    assert len(response.context["cl"].result_list) == rows


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_asks_the_same_whatever_it_holds(
    operators: Client, letter: Letter, tea: Product, rows: int, django_assert_max_num_queries: Any
) -> None:
    for _ in range(rows - 1):
        make_order(letter.event.order.user, tea)
    post.write_letters()
    operators.get(LIST)

    with django_assert_max_num_queries(6):
        response = operators.get(LIST)

    assert len(response.context["cl"].result_list) == rows


def test_nothing_can_be_edited(operators: Client, letter: Letter) -> None:
    change = f"{LIST}{letter.pk}/change/"

    assert operators.post(change, {"to": "eve@example.com"}).status_code == 403
    assert operators.post(f"{LIST}{letter.pk}/delete/", {"post": "yes"}).status_code == 403
    assert operators.get(f"{LIST}add/").status_code == 403
    assert Letter.objects.get().to == "alice@example.com"


def test_a_letter_is_sent_again_to_the_address_of_now(
    operators: Client, operator: User, letter: Letter
) -> None:
    post.send_what_is_due()
    User.objects.filter(username="alice").update(email="new@example.com", language="en")
    assert "new@example.com" in operators.get(again(letter)).content.decode()
    assert Letter.objects.count() == 1

    response = operators.post(again(letter))
    post.send_what_is_due()

    copy = Letter.objects.get(copy=2)
    assert (response.status_code, response["Location"]) == (302, f"{LIST}{letter.pk}/change/")
    assert (copy.to, copy.language, copy.asked_by) == ("new@example.com", "en", operator)
    assert [message.to for message in mail.outbox] == [["alice@example.com"], ["new@example.com"]]
    assert copy.number != letter.number
    logged = LogEntry.objects.get()
    assert (logged.user, logged.object_id) == (operator, str(letter.pk))
    assert "again" in logged.change_message
    assert post.write_letters() == 0


def test_a_letter_that_was_given_up_is_sent_again(operators: Client, letter: Letter) -> None:
    Letter.objects.update(status="FAILED", due_at=None)

    operators.post(again(letter))
    post.send_what_is_due()

    assert [each.status for each in Letter.objects.order_by("copy")] == ["FAILED", "SENT"]


def test_a_second_click_sends_nothing_more(operators: Client, letter: Letter) -> None:
    post.send_what_is_due()

    for _ in range(2):
        operators.post(again(letter))
    post.send_what_is_due()

    assert len(mail.outbox) == 2
    assert [entry.change_message for entry in LogEntry.objects.order_by("id")] == [
        "again",
        "again: refused, letter-still-on-its-way",
    ]


def test_an_address_that_was_taken_back_is_kept_for_the_copy(
    operators: Client, letter: Letter
) -> None:
    post.send_what_is_due()
    User.objects.filter(username="alice").update(email="")

    operators.post(again(letter))

    assert Letter.objects.get(copy=2).to == "alice@example.com"


def test_only_with_the_permission(bob: User, letter: Letter) -> None:
    post.send_what_is_due()
    bob.is_staff = True
    bob.save()
    bob.user_permissions.add(Permission.objects.get(codename="view_letter"))
    client = login(bob)
    assert again(letter) not in client.get(f"{LIST}{letter.pk}/change/").content.decode()
    assert [client.get(again(letter)).status_code, client.post(again(letter)).status_code] == [
        403,
        403,
    ]
    assert Letter.objects.count() == 1

    bob.user_permissions.add(Permission.objects.get(codename="resend_letter"))
    assert login(User.objects.get(pk=bob.pk)).post(again(letter)).status_code == 302


def test_a_letter_that_can_not_be_made_can_be_looked_at(operators: Client, letter: Letter) -> None:
    letter.event.order.record("REFUND_DONE", about="of nothing")
    post.write_letters()
    broken = Letter.objects.get(kind="REFUND_DONE")

    assert operators.get(f"{LIST}{broken.pk}/change/").status_code == 200
