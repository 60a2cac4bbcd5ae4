"""What each letter says, in both languages; as text and as HTML it is the same."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone
from django.utils.html import strip_tags

from conftest import make_order, make_product
from letters import post
from letters.models import Letter
from orders.models import Event, Order
from payments.models.payment import Payment
from payments.refunds import import_refund, request_refund
from payments.tests.test_settle import trade_of
from products.models import Product
from users.models import User

SHOP = "https://shop.example"


@pytest.fixture(params=["zh-hans", "en"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def order(alice: User, tea: Product, language: str) -> Order:
    alice.email, alice.language = "alice@example.com", language
    alice.save()
    return make_order(alice, tea, quantity=2)


def pay(order: Order) -> Payment:
    payment = Payment.objects.attempt(order)
    payment.settle(trade_of(payment))
    return Payment.objects.get()


def last_letter() -> EmailMultiAlternatives:
    """Let the worker write and send, and return what it sent last."""
    post.write_letters()
    post.send_what_is_due()
    message = mail.outbox[-1]
    assert isinstance(message, EmailMultiAlternatives)
    return message


def html_of(message: EmailMultiAlternatives) -> str:
    ((content, kind),) = message.alternatives
    assert kind == "text/html"
    return str(content)


def words_in(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def assert_is_whole(message: EmailMultiAlternatives, order: Order, language: str) -> None:
    """Both parts have the number, the goods and the total; the HTML says all that the text does."""
    text, html = str(message.body), html_of(message)
    assert message.to == ["alice@example.com"]
    assert order.order_id in message.subject
    assert message.extra_headers["Content-Language"] == {"en": "en", "zh-hans": "zh-CN"}[language]
    assert f'<html lang="{language}">' in html
    for part in (text, html):
        for word in (order.order_id, "龙井 tea", "¥19.80", "alice"):
            assert word in part
    seen = unescape(strip_tags(html[html.index("<body") :]))
    assert set(words_in(text)) <= {*words_in(seen), *words_in(html)}
    # Nothing is fetched when it is read: nobody sees who reads what when.
    assert not re.search(r"<img|src=|url\(|<link|<script", html)


def test_placed_leads_to_paying(order: Order, language: str) -> None:
    message = last_letter()

    assert_is_whole(message, order, language)
    local = timezone.localtime(order.expires_at)
    for part in (str(message.body), html_of(message)):
        assert f"{SHOP}/order/payment/{order.order_id}/" in part
        assert f"{local:%Y-%m-%d %H:%M}" in part


def test_placed_does_not_ask_for_money_that_is_there(order: Order) -> None:
    pay(order)
    post.write_letters()

    post.send_what_is_due()

    by_kind = {letter.kind: letter for letter in Letter.objects.all()}
    assert set(by_kind) == {"PLACED", "PAID"}
    for message in mail.outbox:
        assert "/order/payment/" not in f"{message.body}"
        assert f"{SHOP}/order/{order.order_id}/" in f"{message.body}"


def test_paid_names_the_trade(order: Order, language: str) -> None:
    last_letter()
    payment = pay(order)

    message = last_letter()

    assert_is_whole(message, order, language)
    for part in (str(message.body), html_of(message)):
        assert payment.trade_no in part
        assert f"{SHOP}/order/{order.order_id}/" in part


@pytest.mark.parametrize("by", ["buyer", "operator", None])
def test_cancelled_says_by_whom(
    order: Order, language: str, operator: User, by: str | None
) -> None:
    last_letter()

    order.cancel(by={"buyer": order.user, "operator": operator, None: None}[by])
    message = last_letter()

    assert_is_whole(message, order, language)
    assert Letter.objects.latest("id").kind == ("CANCELLED" if by else "EXPIRED")
    if language == "en":
        words = {"buyer": "You have cancelled", "operator": "The shop has cancelled"}
        assert words.get(by or "", "not paid in time") in str(message.body)


@pytest.mark.parametrize("amount", ["5.00", "19.80"])
def test_refunded_says_how_much_and_why(
    order: Order, language: str, operator: User, amount: str
) -> None:
    payment = pay(order)
    last_letter()

    refund = request_refund(payment, amount=Decimal(amount), by=operator, reason="broken <cup>")
    assert post.write_letters() == 0
    refund.mark_done()
    message = last_letter()

    assert_is_whole(message, order, language)
    assert Letter.objects.filter(kind="REFUND_DONE").count() == 1
    for part in (str(message.body), unescape(html_of(message))):
        for word in (f"¥{amount}", "broken <cup>", refund.out_request_no):
            assert word in part
    assert "broken &lt;cup&gt;" in html_of(message)


def test_each_refund_has_its_letter(order: Order, operator: User) -> None:
    payment = pay(order)
    for _ in range(2):
        request_refund(payment, amount=Decimal("5.00"), by=operator).mark_done()

    last_letter()

    assert Letter.objects.filter(kind="REFUND_DONE").count() == 2


def test_a_refund_from_alipays_console_has_one_too(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = pay(order)
    monkeypatch.setattr("payments.alipay.refunded_amount", lambda **_: Decimal("3.00"))

    import_refund(payment, out_request_no="console-1")

    assert "¥3.00" in str(last_letter().body)
    assert Letter.objects.filter(kind="REFUND_DONE").count() == 1


def test_late_money_that_returned(order: Order, language: str) -> None:
    payment = Payment.objects.attempt(order)
    order.cancel()
    payment.settle(trade_of(payment))
    post.write_letters()
    assert "REFUND_DONE" not in Letter.objects.values_list("kind", flat=True)

    payment.refunds.get().mark_done()
    message = last_letter()

    assert_is_whole(message, order, language)
    assert f"{payment.out_trade_no}_late" in str(message.body)
    if language == "en":
        assert "after the order was settled or cancelled" in str(message.body)


def test_no_address_of_the_shop_no_link(order: Order, settings: Any) -> None:
    settings.SHOP_URL = ""

    message = last_letter()

    assert "http" not in str(message.body)
    assert "href" not in html_of(message)


def test_times_are_beijings(order: Order) -> None:
    moment = datetime.fromisoformat("2026-11-22T20:30:00+00:00")
    Order.objects.update(created_at=moment, expires_at=timezone.now() + timedelta(minutes=30))

    with timezone.override("America/New_York"):
        message = last_letter()

    assert "2026-11-23 04:30" in str(message.body)


@pytest.mark.parametrize("name", ["<b>Tea</b> & {{ a }}", "100% 茶 %(title)s", "Tea\r\nBcc: x@y.z"])
def test_a_name_is_text_only(alice: User, name: str) -> None:
    alice.email, alice.language = "alice@example.com", "en"
    alice.save()
    order = make_order(alice, make_product(name))

    message = last_letter()

    assert name in str(message.body)
    assert "<b>Tea" not in html_of(message)
    assert message.subject == f"Order received: order {order.order_id}"
    assert message.recipients() == ["alice@example.com"]
    assert "\nBcc:" not in message.message().as_string().split("\n\n")[0]


def test_what_is_no_buyers_business_has_no_letter(order: Order) -> None:
    last_letter()

    for what in set(Event.What.values) - set(Letter.Kind.values):
        order.record(what)

    assert post.write_letters() == 0
