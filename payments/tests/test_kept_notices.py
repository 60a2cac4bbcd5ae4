"""What is kept of a call: all that Alipay signed; of what strangers send, a bounded sample."""

from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from conftest import make_order
from payments.models import notice as notices
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.notify import MAX_BYTES
from payments.tests.alipay_side import notice, returned
from payments.tests.test_notify import post
from products.models import Product
from users.models import User


@pytest.fixture
def payment(alice: User, tea: Product) -> Payment:
    return Payment.objects.attempt(make_order(alice, tea))


def received(before: timedelta) -> None:
    Notice.objects.update(received_at=timezone.now() - before)


def test_a_genuine_notice_is_kept_whole(payment: Payment) -> None:
    fields = notice(payment, body="x" * 10_000)

    post(fields)

    kept = Notice.objects.get()
    assert kept.raw == urlencode(fields)
    assert (kept.is_genuine, kept.total_amount) == (True, payment.amount)


def test_a_genuine_notice_that_is_refused_is_kept_whole(payment: Payment) -> None:
    fields = notice(payment, body="x" * 10_000, total_amount="0.01")

    assert post(fields).content == b"failure"

    kept = Notice.objects.get()
    assert (kept.raw, kept.is_genuine) == (urlencode(fields), True)


def forged(payment: Payment, **fields: str) -> dict[str, str]:
    return notice(payment) | {"sign": "forged"} | fields


@pytest.mark.parametrize("make", [forged, returned])
def test_of_what_is_no_notice_of_alipays_a_sample_is_kept(payment: Payment, make: Any) -> None:
    """The buyer has a signed return, and could send it here as often as they like."""
    fields = make(payment, body="x" * 10_000)

    assert post(fields).content == b"failure"

    kept = Notice.objects.get()
    assert kept.raw == urlencode(fields)[:2048]
    assert kept.sha256 == sha256(urlencode(fields).encode()).hexdigest()
    assert (kept.is_genuine, kept.is_replayable) == (False, False)


def test_the_longest_call_that_is_read_leaves_two_kilobytes(payment: Payment) -> None:
    post({"a": "x" * (MAX_BYTES - 2)})

    assert len(Notice.objects.get().raw) == 2048


def test_samples_are_bounded_in_number(payment: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MAX_SAMPLES", 5)
    monkeypatch.setattr(notices, "EVERY", 2)
    post(notice(payment))

    for number in range(20):
        post(forged(payment, number=str(number)))
        assert Notice.objects.filter(is_genuine=False).count() <= 5

    newest = Notice.objects.filter(is_genuine=False).first()
    assert newest
    assert "number=19" in newest.raw
    assert Notice.objects.filter(is_genuine=True).count() == 1


def test_samples_are_bounded_in_age(payment: Payment) -> None:
    post(notice(payment))
    post(forged(payment))
    received(before=timedelta(days=29))
    Notice.objects.drop_samples()
    assert Notice.objects.count() == 2

    received(before=timedelta(days=31))
    Notice.objects.drop_samples()

    assert Notice.objects.get().is_genuine


def test_after_years_hash_verdict_and_money_are_left(payment: Payment, settings: Any) -> None:
    fields = notice(payment)
    post(fields)
    received(before=timedelta(days=3 * 365 - 1))
    Notice.objects.shorten_old()
    assert Notice.objects.get().raw

    received(before=timedelta(days=3 * 365 + 1))
    Notice.objects.shorten_old()

    kept = Notice.objects.get()
    assert (kept.raw, kept.verdict, kept.total_amount) == ("", "SETTLED", payment.amount)
    assert kept.sha256 == sha256(urlencode(fields).encode()).hexdigest()
    assert (kept.trade_no, kept.notify_id) == (fields["trade_no"], fields["notify_id"])


def test_a_short_sample_is_replayed_after_the_key_was_mended(
    payment: Payment, settings: Any, owner: User
) -> None:
    post(forged(payment))
    assert Notice.objects.get().is_replayable
