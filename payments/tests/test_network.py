"""No network call is made inside a database transaction: money rule 9."""

import urllib.request
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from conftest import Sandbox, login, make_order, make_product
from payments import alipay
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.refunds import request_refund
from payments.tests.alipay_side import returned
from payments.tests.test_expiry import let_time_pass, tick
from users.models import User


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Every call of Alipay, and whether a transaction was open meanwhile."""
    seen: list[tuple[str, bool]] = []
    really = alipay.Client.verified_sync_response

    def watched(client: alipay.Client, data: dict[str, Any], response_type: str) -> Any:
        seen.append((data["method"], connection.in_atomic_block))
        return really(client, data, response_type)

    monkeypatch.setattr(alipay.Client, "verified_sync_response", watched)
    return seen


def to_the_cashier(client: Client, order_id: str) -> None:
    address = client.post(f"/order/payment/{order_id}/")["Location"]
    urllib.request.urlopen(address, timeout=20).close()


@pytest.mark.django_db(transaction=True)
def test_no_network_call_is_made_inside_a_transaction(
    sandbox: Sandbox, calls: list[tuple[str, bool]]
) -> None:
    alice = User.objects.create_user("alice")
    client, tea = login(alice), make_product()
    paid, cancelled, expired = (make_order(alice, tea) for _ in range(3))
    for order in (paid, cancelled, expired):
        to_the_cashier(client, order.order_id)
        to_the_cashier(client, order.order_id)
    sandbox.control(f"trades/{paid.order_id}/pay", {})
    for order in (cancelled, expired):
        sandbox.control(f"trades/{order.order_id}/scan", {})

    client.get("/payments/alipay/return/", returned(Payment.objects.get(order=paid)))
    client.post(f"/order/{cancelled.order_id}/cancel/")
    payment = Payment.objects.get(order=paid)
    operator = User.objects.create_user("operator")
    request_refund(payment, amount=payment.amount, by=operator)
    sandbox.fault("reset", "refund", when="after")
    tick()
    let_time_pass()
    tick()

    assert Refund.objects.get().status == "DONE"
    assert {method for method, _ in calls} == {
        "alipay.trade.query",
        "alipay.trade.close",
        "alipay.trade.refund",
        "alipay.trade.fastpay.refund.query",
    }
    assert [method for method, in_transaction in calls if in_transaction] == []
