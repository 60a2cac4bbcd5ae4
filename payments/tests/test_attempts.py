"""One order, several ways to pay: one attempt at a time, and what is paid twice goes back."""

import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from conftest import Sandbox
from orders.models import Order
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.test_expiry import let_time_pass, order, tick  # noqa: F401

PHONE = {
    "User-Agent": "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/131.0 Mobile Safari"
}
COMPUTER = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/131.0 Safari/537.36"}


@pytest.fixture(autouse=True)
def _qr(settings: Any) -> None:
    settings.ALIPAY_QR = True


def go(alices: Client, order: Order, **headers: str) -> str:  # noqa: F811
    """Press "Pay" and let the browser arrive at the cashier; return Alipay's address."""
    response = alices.post(f"/order/payment/{order.order_id}/", headers=headers)
    assert response.status_code == 303
    urllib.request.urlopen(response["Location"], timeout=20).close()
    return response["Location"]


def show_qr(alices: Client, order: Order) -> Payment:  # noqa: F811
    assert alices.post(f"/payments/{order.order_id}/qr/").status_code == 303
    return Payment.objects.latest("id")


def open_it(sandbox: Sandbox, payment: Payment) -> None:
    sandbox.control(f"trades/{payment.out_trade_no}/scan", {})


def kinds() -> list[tuple[str, str]]:
    return [(each.kind, each.status) for each in Payment.objects.order_by("id")]


@pytest.mark.parametrize(
    ("headers", "method"),
    [
        (PHONE, "alipay.trade.wap.pay"),
        (COMPUTER, "alipay.trade.page.pay"),
        ({**COMPUTER, "Sec-CH-UA-Mobile": "?1"}, "alipay.trade.wap.pay"),
        ({}, "alipay.trade.page.pay"),
    ],
)
def test_the_device_chooses_the_way(
    alices: Client,
    order: Order,  # noqa: F811
    sandbox: Sandbox,
    headers: dict[str, str],
    method: str,
) -> None:
    asked = parse_qs(urlsplit(go(alices, order, **headers)).query)

    assert asked["method"] == [method]
    trade = sandbox.trade(order.order_id)
    assert trade["total_amount"] == "19.80"
    assert ("QUICK_WAP_WAY" in asked["biz_content"][0]) == method.endswith("wap.pay")


def test_a_client_chooses_the_way(alices: Client, order: Order, sandbox: Sandbox) -> None:  # noqa: F811
    address = f"/api/v1/orders/{order.order_id}/payment"

    told = [alices.post(f"{address}?kind={kind}").json() for kind in ("page", "wap", "qr")]
    refused = alices.post(f"{address}?kind=cash")

    assert "alipay.trade.page.pay" in told[0]["payment_url"]
    assert "alipay.trade.wap.pay" in told[1]["payment_url"]
    assert "/cashier/qr/" in told[2]["payment_url"]
    assert refused.status_code == 422


def test_a_new_kind_of_attempt_closes_the_one_before(
    alices: Client,
    order: Order,  # noqa: F811
    sandbox: Sandbox,
) -> None:
    go(alices, order, **COMPUTER)
    open_it(sandbox, Payment.objects.get())

    go(alices, order, **PHONE)

    assert kinds() == [("page", "CLOSED"), ("wap", "PENDING")]
    assert sandbox.trade(order.order_id)["trade_status"] == "TRADE_CLOSED"
    assert Payment.objects.latest("id").out_trade_no == f"{order.order_id}_2"


def test_the_same_kind_goes_on_with_its_attempt(
    alices: Client,
    order: Order,  # noqa: F811
    sandbox: Sandbox,
) -> None:
    for headers in (COMPUTER, PHONE, COMPUTER, PHONE):
        go(alices, order, **headers)

    assert kinds() == [("page", "PENDING"), ("wap", "PENDING")]


def test_what_is_paid_twice_goes_back(alices: Client, order: Order, sandbox: Sandbox) -> None:  # noqa: F811
    """The first was never opened, so it could not be closed; then both are paid."""
    go(alices, order, **COMPUTER)
    go(alices, order, **PHONE)
    for payment in Payment.objects.all():
        sandbox.control(f"trades/{payment.out_trade_no}/pay", {})

    for _ in range(2):
        let_time_pass()
        tick()

    assert Order.objects.get().status == "PAID"
    assert sorted(status for _, status in kinds()) == ["PAID", "REFUNDED"]
    refund = Refund.objects.get()
    assert (refund.is_late_money, refund.status, refund.amount) == (True, "DONE", order.total_price)
    assert sandbox.trade(refund.payment.out_trade_no)["refund_fee"] == "19.80"


def test_an_unclear_answer_opens_no_second_way(
    alices: Client,
    order: Order,  # noqa: F811
    sandbox: Sandbox,
) -> None:
    go(alices, order, **COMPUTER)
    sandbox.fault("http_500", "query")

    refused = alices.post(
        f"/order/payment/{order.order_id}/", headers={**PHONE, "Accept": "application/json"}
    )

    assert refused.status_code == 503
    assert refused.json()["type"].endswith("pay-later")
    assert kinds() == [("page", "PENDING")]


def test_an_attempt_that_was_paid_meanwhile_ends_it(
    alices: Client,
    order: Order,  # noqa: F811
    sandbox: Sandbox,
) -> None:
    go(alices, order, **COMPUTER)
    sandbox.control(f"trades/{order.order_id}/pay", {})

    refused = alices.post(f"/order/payment/{order.order_id}/", headers=PHONE)

    assert refused.status_code == 409
    assert kinds() == [("page", "PAID")]
    assert Order.objects.get().status == "PAID"


def test_the_qr_code_is_asked_for_once_and_shown(
    alices: Client,
    order: Order,  # noqa: F811
    sandbox: Sandbox,
) -> None:
    payment = show_qr(alices, order)
    again = show_qr(alices, order)

    page = alices.get(f"/order/payment/{order.order_id}/").content.decode()

    assert payment.qr_code == again.qr_code != ""
    assert payment.qr_code in page
    assert "<svg" in page
    sandbox.control(f"trades/{payment.out_trade_no}/pay", {})
    let_time_pass()
    tick()
    assert Order.objects.get().status == "PAID"


def test_a_change_of_mind_shows_the_code_again(
    alices: Client,
    order: Order,  # noqa: F811
    sandbox: Sandbox,
) -> None:
    """An attempt that nobody opened cannot be closed: it is chosen again."""
    address = f"/order/payment/{order.order_id}/"
    code = show_qr(alices, order).qr_code
    go(alices, order)
    meanwhile = alices.get(address).context
    show_qr(alices, order)

    again = alices.get(address).context

    assert (meanwhile["qr"], meanwhile["is_waiting"]) == ("", True)
    assert again["qr_address"] == code
    assert kinds() == [("qr", "PENDING"), ("page", "PENDING")]


def test_what_is_closed_is_not_waited_for(
    alices: Client,
    order: Order,  # noqa: F811
    sandbox: Sandbox,
) -> None:
    go(alices, order)
    open_it(sandbox, Payment.objects.get())
    Payment.objects.get().close()

    context = alices.get(f"/order/payment/{order.order_id}/").context

    assert (context["is_waiting"], context["is_settled"]) == (False, False)


def test_htmx_gets_the_panel_with_the_code(alices: Client, order: Order, sandbox: Sandbox) -> None:  # noqa: F811
    response = alices.post(f"/payments/{order.order_id}/qr/", headers={"HX-Request": "true"})

    assert response.status_code == 200
    assert response.content.decode().strip().startswith("<section")
    assert 'data-state="qr"' in response.content.decode()


@pytest.mark.parametrize("kind", ["timeout", "http_500", "html", "unsigned", "system_error"])
def test_no_code_comes_of_an_unclear_answer(
    alices: Client,
    order: Order,  # noqa: F811
    sandbox: Sandbox,
    kind: str,
) -> None:
    sandbox.fault(kind, "precreate")

    refused = alices.post(f"/payments/{order.order_id}/qr/", headers={"Accept": "application/json"})
    assert refused.status_code == 503
    assert Payment.objects.get().qr_code == ""

    assert show_qr(alices, order).qr_code != ""


def test_qr_is_not_offered_without_the_setting(
    alices: Client,
    order: Order,  # noqa: F811
    settings: Any,
) -> None:
    settings.ALIPAY_QR = False

    page = alices.get(f"/order/payment/{order.order_id}/").content.decode()
    refused = alices.post(f"/payments/{order.order_id}/qr/")

    assert "pay-by-qr" not in page
    assert refused.status_code == 409
    assert Payment.objects.count() == 0
