"""The buyer's steps: to Alipay, back again, and what the pages say meanwhile."""

import json
import urllib.request
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from conftest import Sandbox, make_order, make_product
from core.tests import environment
from orders.models import Order
from payments import alipay
from payments.exceptions import AlipaySaysNo, ResultUnknown
from payments.models.payment import Payment
from payments.refunds import request_refund
from payments.tests.alipay_side import notice, returned
from payments.tests.test_notify import STRANGER
from payments.tests.test_settle import trade_of
from products.models import Product
from users.models import User

RETURN = "/payments/alipay/return/"


@pytest.fixture
def order(alice: User, tea: Product) -> Order:
    return make_order(alice, tea, quantity=2)


def main_part(response: Any) -> str:
    """Return what a page says, without its frame, in which its own address stands."""
    return response.content.decode().split("<main")[1].split("</main>")[0]


def sent_to_alipay(address: str) -> dict[str, Any]:
    """Return what the buyer's browser carries to the gateway."""
    public = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    return {**public, "biz": json.loads(public["biz_content"])}


def test_payment_page_leads_to_the_gateway(alices: Client, order: Order) -> None:
    response = alices.post(f"/order/payment/{order.order_id}/")

    sent = sent_to_alipay(response["Location"])
    assert response.status_code == 303
    assert response["Location"].startswith("http://127.0.0.1:9/gateway.do?")
    assert sent["method"] == "alipay.trade.page.pay"
    assert sent["notify_url"] == "http://testserver/payments/alipay/notify/"
    assert sent["return_url"] == "http://testserver/payments/alipay/return/"
    assert sent["biz"] == {
        "subject": "龙井 tea x2",
        "out_trade_no": order.order_id,
        "total_amount": "19.80",
        "product_code": "FAST_INSTANT_TRADE_PAY",
        "time_expire": alipay.beijing_text(order.expires_at),
    }
    assert Payment.objects.get().out_trade_no == order.order_id


def test_payment_page_shows_the_order(alices: Client, order: Order) -> None:
    page = alices.get(f"/order/payment/{order.order_id}/").content.decode()

    assert order.order_id in page
    assert "龙井 tea" in page
    assert "¥19.80" in page
    assert Payment.objects.count() == 0


def test_a_payer_in_the_last_seconds_has_a_minute(alices: Client, order: Order) -> None:
    Order.objects.update(expires_at=timezone.now() + timedelta(seconds=5))

    alices.post(f"/order/payment/{order.order_id}/")

    assert Payment.objects.get().time_expire - timezone.now() > timedelta(seconds=55)


@pytest.mark.parametrize("fate", ["PAID", "CANCELLED", "REFUNDED", "expired"])
def test_payment_page_refuses_what_can_not_be_paid(alices: Client, order: Order, fate: str) -> None:
    if fate == "expired":
        Order.objects.update(expires_at=timezone.now())
    else:
        Order.objects.update(status=fate)

    page = alices.get(f"/order/payment/{order.order_id}/")
    pay = alices.post(f"/order/payment/{order.order_id}/")
    told = alices.post(f"/api/v1/orders/{order.order_id}/payment")

    assert (page.status_code, pay.status_code, told.status_code) == (200, 409, 409)
    assert told["Content-Type"] == "application/problem+json"
    assert "gateway.do" not in page.content.decode() + pay.content.decode()
    assert 'method="post" action="/order/payment/' not in page.content.decode()
    assert Payment.objects.count() == 0


def test_pay_order_gives_a_client_the_gateway(alices: Client, order: Order) -> None:
    told = alices.post(f"/api/v1/orders/{order.order_id}/payment").json()

    assert sent_to_alipay(told["payment_url"])["biz"]["out_trade_no"] == order.order_id


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("a/b=c&d", "a b c d x1"),
        ("a } b { c", "a b c x1"),
        ("茶 🍵 tea", "茶 tea x1"),
        ('<b>"x"</b>\n', "b x b x1"),
        ("长" * 120, "长" * 120 + " x1"),
    ],
)
def test_subject_holds_nothing_that_alipay_refuses(
    alices: Client, alice: User, name: str, subject: str
) -> None:
    order = make_order(alice, make_product(name))

    response = alices.post(f"/order/payment/{order.order_id}/")

    assert sent_to_alipay(response["Location"])["biz"]["subject"] == subject


def test_panel_polls_until_the_order_is_settled(alices: Client, order: Order) -> None:
    address = f"/payments/{order.order_id}/panel/"
    payment = Payment.objects.attempt(order)
    waiting = alices.get(address, headers={"HX-Request": "true"})

    payment.settle(trade_of(payment))
    paid = alices.get(address, headers={"HX-Request": "true"})

    assert (waiting.status_code, paid.status_code) == (200, 286)
    assert "hx-get" in waiting.content.decode()
    assert "hx-get" not in paid.content.decode()


def test_panel_polls_while_a_refund_is_on_its_way(
    alices: Client, order: Order, operator: User
) -> None:
    address = f"/payments/{order.order_id}/panel/"
    payment = Payment.objects.attempt(order)
    payment.settle(trade_of(payment))
    refund = request_refund(payment, amount=Decimal("1.00"), by=operator)

    on_its_way = alices.get(address, headers={"HX-Request": "true"})
    refund.mark_done()
    done = alices.get(address, headers={"HX-Request": "true"})

    assert (on_its_way.status_code, done.status_code) == (200, 286)
    assert 'data-state="paid requested"' in on_its_way.content.decode()
    assert 'data-state="paid done"' in done.content.decode()


def test_whoever_looks_at_the_panel_has_alipay_asked_soon(alices: Client, order: Order) -> None:
    payment = Payment.objects.attempt(order)
    later, soon = timezone.now() + timedelta(minutes=5), timezone.now() + timedelta(seconds=9)

    for due_at, kept in ((later, False), (soon, True)):
        Payment.objects.update(due_at=due_at)
        alices.get(f"/payments/{order.order_id}/panel/", headers={"HX-Request": "true"})
        payment.refresh_from_db()
        assert payment.due_at
        assert (payment.due_at == due_at) is kept
        assert payment.due_at <= timezone.now() + timedelta(seconds=20)


def test_return_proves_nothing(alices: Client, order: Order) -> None:
    """Its signature is genuine, but Alipay cannot be asked: processing, and unpaid."""
    payment = Payment.objects.attempt(order)

    response = alices.get(RETURN, returned(payment))

    assert response.status_code == 200
    assert response.context["outcome"] == "processing"
    assert Order.objects.get().status == "UNPAID"


def test_return_with_a_status_proves_nothing(alices: Client, order: Order) -> None:
    payment = Payment.objects.attempt(order)

    alices.get(RETURN, notice(payment))

    assert Order.objects.get().status == "UNPAID"


@pytest.mark.parametrize("changes", [{"sign": "x"}, {"total_amount": "0.01"}, {"sign_type": "RSA"}])
def test_return_refuses_a_forged_signature(
    alices: Client, order: Order, changes: dict[str, str]
) -> None:
    payment = Payment.objects.attempt(order)

    response = alices.get(RETURN, {**returned(payment), **changes})

    assert response.status_code == 400
    assert response.context["outcome"] == "failed"
    assert order.order_id not in main_part(response)


def test_return_shows_a_stranger_nothing(bobs: Client, order: Order) -> None:
    address = returned(Payment.objects.attempt(order))

    nobody = Client().get(RETURN, address)
    stranger = bobs.get(RETURN, address)

    assert stranger.status_code == 404
    assert nobody.status_code == 200
    for response in (nobody, stranger):
        assert order.order_id not in main_part(response)
        assert "龙井" not in response.content.decode()


def test_return_of_a_paid_order_says_so(alices: Client, order: Order) -> None:
    payment = Payment.objects.attempt(order)
    payment.settle(trade_of(payment))

    response = alices.get(RETURN, returned(payment))

    assert response.context["outcome"] == "success"


@pytest.fixture
def at_the_cashier(alices: Client, order: Order, sandbox: Sandbox) -> Order:
    """Alice's browser has opened the gateway's address."""
    address = alices.post(f"/order/payment/{order.order_id}/")["Location"]
    urllib.request.urlopen(address, timeout=20).close()
    return order


def test_return_asks_alipay(alices: Client, at_the_cashier: Order, sandbox: Sandbox) -> None:
    """No notice can reach the tests' shop: what Alipay answers settles the order."""
    sandbox.control(f"trades/{at_the_cashier.order_id}/pay", {})

    response = alices.get(RETURN, returned(Payment.objects.get()))

    order = Order.objects.get()
    assert response.context["outcome"] == "success"
    assert (order.status, order.transaction_id) == ("PAID", Payment.objects.get().trade_no)
    assert order.paid_at
    assert timezone.now() - order.paid_at < timedelta(minutes=5)


def test_return_to_a_cancelled_order_tells_of_the_late_money(
    alices: Client, at_the_cashier: Order, sandbox: Sandbox
) -> None:
    """The trade was not born when the order was cancelled, so it could not be closed."""
    assert alices.post(f"/order/{at_the_cashier.order_id}/cancel/").status_code == 303
    sandbox.control(f"trades/{at_the_cashier.order_id}/pay", {})

    response = alices.get(RETURN, returned(Payment.objects.get()))

    assert (response.context["outcome"], response.context["is_settled"]) == ("failed", False)
    assert [refund.is_late_money for refund in response.context["refunds"]] == [True]
    assert Order.objects.get().status == "CANCELLED"


def test_paying_again_asks_alipay_first(
    alices: Client, at_the_cashier: Order, sandbox: Sandbox
) -> None:
    sandbox.control(f"trades/{at_the_cashier.order_id}/pay", {})

    response = alices.post(f"/order/payment/{at_the_cashier.order_id}/")

    assert response.status_code == 409
    assert Order.objects.get().status == "PAID"


def test_coming_back_unpaid_leads_to_the_same_trade(
    alices: Client, at_the_cashier: Order, sandbox: Sandbox
) -> None:
    sandbox.control(f"trades/{at_the_cashier.order_id}/scan", {})

    again = alices.post(f"/order/payment/{at_the_cashier.order_id}/")

    assert again.status_code == 303
    assert sent_to_alipay(again["Location"])["biz"]["out_trade_no"] == at_the_cashier.order_id


def test_query_tells_no_from_unknown(sandbox: Sandbox, settings: Any) -> None:
    with pytest.raises(AlipaySaysNo) as refusal:
        alipay.query("20261122NEVERASKED")
    settings.ALIPAY_GATEWAY_URL = "http://127.0.0.1:9/gateway.do"
    alipay.client.cache_clear()
    with pytest.raises(ResultUnknown):
        alipay.query("20261122NEVERASKED")

    assert refusal.value.sub_code == "ACQ.TRADE_NOT_EXIST"


def test_query_does_not_believe_another_key(sandbox: Sandbox, settings: Any) -> None:
    settings.ALIPAY_PUBLIC_KEY_STRING = environment.public_pem(STRANGER).decode()
    alipay.client.cache_clear()

    with pytest.raises(ResultUnknown):
        alipay.query("20261122NEVERASKED")
