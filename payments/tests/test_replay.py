"""A stored notice is judged anew: as strictly as a call of Alipay's, and no more kindly."""

from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.admin.models import LogEntry

from conftest import login, make_order
from orders.models import Order
from payments.exceptions import NoticeAccepted, NoticeStillRefused
from payments.journal import JournalEntry
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.notify import replay
from payments.tests.alipay_side import TRADE_NO, notice
from payments.tests.test_notify import post
from products.models import Product
from users.models import User


@pytest.fixture
def payment(alice: User, tea: Product) -> Payment:
    return Payment.objects.attempt(make_order(alice, tea))


def stored(fields: dict[str, str]) -> Notice:
    """A call that the shop had stored when it died."""
    return Notice.objects.create(raw=urlencode(fields))


def test_replay_of_a_lost_notice_settles(payment: Payment, owner: User) -> None:
    lost = stored(notice(payment))

    verdict = replay(lost, by=owner)

    order = Order.objects.get()
    lost.refresh_from_db()
    assert (verdict, lost.verdict, lost.payment) == ("SETTLED", "SETTLED", payment)
    assert (order.status, order.transaction_id) == ("PAID", TRADE_NO)
    assert JournalEntry.objects.get().what == "SALE"
    assert list(order.events.values_list("what", "by")[2:]) == [
        ("PAID", None),
        ("NOTICE", owner.pk),
    ]


def test_replay_after_the_fault_was_mended_settles(
    payment: Payment, owner: User, settings: Any
) -> None:
    ours, settings.ALIPAY_SELLER_ID = settings.ALIPAY_SELLER_ID, "2088000000000009"
    assert post(notice(payment)).content == b"failure"
    refused = Notice.objects.get()
    with pytest.raises(NoticeStillRefused, match="seller_id"):
        replay(refused, by=owner)
    settings.ALIPAY_SELLER_ID = ours

    replay(refused, by=owner)

    refused.refresh_from_db()
    assert (refused.verdict, refused.reason) == ("SETTLED", "")
    assert Order.objects.get().status == "PAID"


STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def forged(payment: Payment) -> dict[str, dict[str, str]]:
    return {
        "stranger": notice(payment, key=STRANGER),
        "edited": {**notice(payment), "buyer_id": "2088000000000003"},
        "unsigned": {**notice(payment), "sign": ""},
        "another amount": notice(payment, total_amount="0.01"),
        "another shop": notice(payment, seller_id="2088000000000009"),
        "a return": notice(payment, notify_type=None),
        "unpaid": notice(payment, trade_status="WAIT_BUYER_PAY"),
    }


@pytest.mark.parametrize(
    "how",
    ["stranger", "edited", "unsigned", "another amount", "another shop", "a return", "unpaid"],
)
def test_replay_of_a_forged_notice_books_nothing(payment: Payment, owner: User, how: str) -> None:
    fields = forged(payment)[how]
    post(fields)
    refused = Notice.objects.get()
    reason = refused.reason

    with pytest.raises(NoticeStillRefused):
        replay(refused, by=owner)

    refused.refresh_from_db()
    assert (refused.verdict, refused.reason, refused.raw) == ("REFUSED", reason, urlencode(fields))
    assert (Order.objects.get().status, Payment.objects.get().status) == ("UNPAID", "PENDING")
    assert JournalEntry.objects.count() == 0


def test_what_was_accepted_is_not_replayed(payment: Payment, owner: User) -> None:
    for _ in range(2):
        post(notice(payment))

    for accepted in Notice.objects.all():
        with pytest.raises(NoticeAccepted):
            replay(accepted, by=owner)

    assert {kept.verdict for kept in Notice.objects.all()} == {"SETTLED", "REPEATED"}


def test_replay_of_what_came_again_meanwhile_changes_nothing(payment: Payment, owner: User) -> None:
    lost = stored(notice(payment))
    post(notice(payment))
    paid = Order.objects.values().get()

    assert replay(lost, by=owner) == "REPEATED"

    assert Order.objects.values().get() == paid
    assert JournalEntry.objects.count() == 1


def test_the_button_replays_and_is_logged(payment: Payment, owner: User) -> None:
    lost = stored(notice(payment))
    address = f"/admin/payments/notice/{lost.pk}/replay/"
    assert login(owner).get(address).status_code == 200
    assert Order.objects.get().status == "UNPAID"

    response = login(owner).post(address)

    logged = LogEntry.objects.get()
    assert response.status_code == 302
    assert Order.objects.get().status == "PAID"
    assert (logged.user, logged.object_id, logged.change_message) == (
        owner,
        str(lost.pk),
        "replay",
    )


def test_the_button_tells_that_it_was_refused_again(payment: Payment, owner: User) -> None:
    post(notice(payment, key=STRANGER))
    refused = Notice.objects.get()

    response = login(owner).post(f"/admin/payments/notice/{refused.pk}/replay/", follow=True)

    (told,) = response.context["messages"]
    assert told.level_tag == "error"
    assert "sign" in told.message
    assert LogEntry.objects.get().change_message == "replay: refused, notice-still-refused"
    assert Order.objects.get().status == "UNPAID"
