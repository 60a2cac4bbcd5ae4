"""What each button does, what it says when it is refused, and that both are written down."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from conftest import Sandbox, login, make_order, make_staff
from orders.models import Order
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.test_expiry import order, payment, tick  # noqa: F401
from payments.tests.test_refunds import paid  # noqa: F401
from products.models import Product
from users.models import User


@pytest.fixture(autouse=True)
def _limit(settings: Any) -> None:
    settings.REFUND_APPROVAL_AMOUNT = Decimal("10.00")


@pytest.fixture
def cashiers(cashier: User) -> Client:
    return login(cashier)


@pytest.fixture
def owners(owner: User) -> Client:
    return login(owner)


def press(client: Client, row: Any, button: str, **form: Any) -> str:
    """Press a button; return the words, with their level, that the operator reads then."""
    address = f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/{button}/"
    response = client.post(address, form, follow=True)
    assert response.redirect_chain == [(address.replace(f"/{button}/", "/change/"), 302)]
    (told,) = response.context["messages"]
    return f"{told.level_tag}: {told.message}"


def history(order: Order) -> list[tuple[str, str]]:  # noqa: F811
    return [
        (event.what, event.by.username) for event in order.events.select_related("by") if event.by
    ][2:]  # placed, sent to pay


def log() -> list[tuple[str, str, str]]:
    return [
        (entry.user.get_username(), entry.content_type.model, entry.change_message)
        for entry in LogEntry.objects.order_by("id").select_related("user", "content_type")
        if entry.content_type
    ]


def asked_for(client: Client, paid: Payment, amount: str) -> Refund:  # noqa: F811
    press(client, paid, "refund", amount=amount, reason="broken")
    return Refund.objects.latest("id")


@pytest.mark.parametrize("page", ["order", "payment"])
def test_ask_finds_a_payment_whose_notice_was_lost(
    payment: Payment,  # noqa: F811
    sandbox: Sandbox,
    cashiers: Client,
    page: str,
) -> None:
    sandbox.control(f"trades/{payment.out_trade_no}/pay", {})

    words = press(cashiers, payment if page == "payment" else payment.order, "ask")

    assert words.startswith("success: ")
    assert Order.objects.get().status == "PAID"
    assert history(payment.order) == [("ASKED", "cashier")]
    assert log() == [("cashier", page, "ask")]


@pytest.mark.parametrize("page", ["order", "payment"])
def test_ask_says_that_alipay_does_not(
    payment: Payment,  # noqa: F811
    sandbox: Sandbox,
    cashiers: Client,
    page: str,
) -> None:
    sandbox.fault("reset", "query")

    words = press(cashiers, payment if page == "payment" else payment.order, "ask")

    assert words.startswith("error: ")
    assert history(payment.order) == [("ASKED", "cashier")]
    assert log() == [("cashier", page, "ask: refused, ask-later")]


def test_ask_asks_nothing_about_what_is_known(
    paid: Payment,  # noqa: F811
    cashiers: Client,
) -> None:
    for row, page in ((paid, "payment"), (paid.order, "order")):
        assert press(cashiers, row, "ask").startswith("error: ")
        assert log()[-1] == ("cashier", page, "ask: refused, nothing-to-ask")

    assert history(paid.order) == []


def test_cancel_closes_the_trade_and_gives_the_stock_back(
    payment: Payment,  # noqa: F811
    sandbox: Sandbox,
    cashiers: Client,
) -> None:
    sandbox.control(f"trades/{payment.out_trade_no}/scan", {})

    words = press(cashiers, payment.order, "cancel")

    assert words.startswith("success: ")
    assert sandbox.trade(payment.out_trade_no)["trade_status"] == "TRADE_CLOSED"
    assert (Order.objects.get().status, Product.objects.get().stock) == ("CANCELLED", 10)
    assert history(payment.order) == [
        ("ASKED", "cashier"),
        ("CANCELLED", "cashier"),
        ("RESTOCKED", "cashier"),
    ]
    assert log() == [("cashier", "order", "cancel")]


def test_cancel_of_an_order_that_was_just_paid_settles_it(
    payment: Payment,  # noqa: F811
    sandbox: Sandbox,
    cashiers: Client,
) -> None:
    sandbox.control(f"trades/{payment.out_trade_no}/pay", {})

    words = press(cashiers, payment.order, "cancel")

    assert words.startswith("error: ")
    assert (Order.objects.get().status, Product.objects.get().stock) == ("PAID", 8)
    assert log() == [("cashier", "order", "cancel: refused, order-not-cancellable")]


def test_cancel_waits_for_alipay_to_say(
    payment: Payment,  # noqa: F811
    sandbox: Sandbox,
    cashiers: Client,
) -> None:
    sandbox.fault("reset", "query")

    words = press(cashiers, payment.order, "cancel")

    assert words.startswith("error: ")
    assert (Order.objects.get().status, Product.objects.get().stock) == ("UNPAID", 8)
    assert log() == [("cashier", "order", "cancel: refused, cancel-later")]


def test_a_cashier_refunds_up_to_the_limit(
    paid: Payment,  # noqa: F811
    sandbox: Sandbox,
    cashiers: Client,
    cashier: User,
) -> None:
    refund = asked_for(cashiers, paid, "10.00")
    tick()

    refund.refresh_from_db()
    assert (refund.status, refund.requested_by) == ("DONE", cashier)
    assert sandbox.trade(paid.out_trade_no)["refund_fee"] == "10.00"
    assert history(paid.order) == [("REFUND_REQUESTED", "cashier")]
    assert log() == [("cashier", "payment", "refund: amount 10.00, reason broken, restocks False")]


def test_above_the_limit_an_owner_approves_and_no_cashier(
    paid: Payment,  # noqa: F811
    sandbox: Sandbox,
    cashiers: Client,
    owners: Client,
) -> None:
    refund = asked_for(cashiers, paid, "10.01")
    address = f"/admin/payments/refund/{refund.pk}/approve/"
    for client in (cashiers, login(make_staff("cashier", "another"))):
        assert (client.get(address).status_code, client.post(address).status_code) == (403, 403)
    tick()
    refund.refresh_from_db()
    assert refund.status == "WAITING"
    assert sandbox.trade(paid.out_trade_no)["refund_fee"] == "0.00"

    words = press(owners, refund, "approve")
    tick()

    refund.refresh_from_db()
    assert words.startswith("success: ")
    assert refund.status == "DONE"
    assert history(paid.order) == [("REFUND_REQUESTED", "cashier"), ("REFUND_APPROVED", "owner")]
    assert log()[-1] == ("owner", "refund", "approve")


def test_an_owner_does_not_approve_their_own(
    paid: Payment,  # noqa: F811
    owners: Client,
) -> None:
    refund = asked_for(owners, paid, "10.01")

    words = press(owners, refund, "approve")

    refund.refresh_from_db()
    assert words.startswith("error: ")
    assert (refund.status, refund.approved_by) == ("WAITING", None)
    assert history(paid.order) == [("REFUND_REQUESTED", "owner")]
    assert log()[-1] == ("owner", "refund", "approve: refused, second-operator-needed")


def test_an_owner_declines_with_a_reason(
    paid: Payment,  # noqa: F811
    cashiers: Client,
    owners: Client,
) -> None:
    refund = asked_for(cashiers, paid, "10.01")
    address = f"/admin/payments/refund/{refund.pk}/decline/"
    assert owners.post(address, {"reason": " "}).context["form"].errors
    assert Refund.objects.get().status == "WAITING"

    press(owners, refund, "decline", reason="not agreed")

    refund.refresh_from_db()
    assert (refund.status, refund.last_answer) == ("DECLINED", "not agreed")
    assert history(paid.order)[-1] == ("REFUND_DECLINED", "owner")
    assert log()[-1] == ("owner", "refund", "decline: reason not agreed")
    assert press(owners, refund, "approve").startswith("error: ")


def test_a_cashier_tries_a_failed_refund_again(
    paid: Payment,  # noqa: F811
    sandbox: Sandbox,
    cashiers: Client,
) -> None:
    refund = asked_for(cashiers, paid, "1.00")
    sandbox.fault("refuse", "refund", sub_code="ACQ.REFUND_FEE_ERROR", times=1)
    tick()

    words = press(cashiers, refund, "retry")
    tick()

    refund.refresh_from_db()
    assert words.startswith("success: ")
    assert refund.status == "DONE"
    assert history(paid.order)[-1] == ("REFUND_RETRIED", "cashier")
    assert log()[-1] == ("cashier", "refund", "retry")
    assert press(cashiers, refund, "retry").startswith("error: ")


def test_more_than_was_paid_is_refused_beside_the_amount(
    paid: Payment,  # noqa: F811
    cashiers: Client,
) -> None:
    address = f"/admin/payments/payment/{paid.pk}/refund/"

    response = cashiers.post(address, {"amount": "19.81", "reason": "broken"})

    assert response.status_code == 200
    assert list(response.context["form"].errors) == ["amount"]
    assert log() == [("cashier", "payment", "refund: refused, refund-too-high")]


def test_the_page_of_an_order_leads_to_the_refund_of_what_paid_it(
    paid: Payment,  # noqa: F811
    cashiers: Client,
) -> None:
    page = cashiers.get(f"/admin/orders/order/{paid.order.pk}/change/").content.decode()

    assert f'href="/admin/payments/payment/{paid.pk}/refund/"' in page


def test_the_page_of_an_order_leads_to_its_payments(
    paid: Payment,  # noqa: F811
    cashiers: Client,
    bob: User,
    tea: Product,
) -> None:
    Payment.objects.attempt(make_order(bob, tea))
    rows = f"/admin/payments/payment/?order__id__exact={paid.order.pk}"

    page = cashiers.get(f"/admin/orders/order/{paid.order.pk}/change/").content.decode()

    assert f'<a href="{rows}">支付</a>' in page
    assert list(cashiers.get(rows).context["cl"].queryset) == [paid]


def test_a_button_asks_for_the_token_of_the_session(
    payment: Payment,  # noqa: F811
    cashier: User,
) -> None:
    strict = login(cashier, enforce_csrf_checks=True)

    response = strict.post(f"/admin/orders/order/{payment.order.pk}/cancel/")

    assert response.status_code == 403
    assert Order.objects.get().status == "UNPAID"


def test_the_api_approves(
    paid: Payment,  # noqa: F811
    cashiers: Client,
    owners: Client,
) -> None:
    refund = asked_for(cashiers, paid, "10.01")
    address = f"/api/v1/orders/{paid.order.order_id}/refunds/{refund.out_request_no}/approve"
    assert login(make_staff("cashier", "another")).post(address).status_code == 403
    assert Client().post(address).status_code == 401
    assert owners.post(address.replace("_R1", "_R9")).status_code == 404

    first, second = owners.post(address), owners.post(address)

    assert (first.status_code, first.json()["status"]) == (200, "REQUESTED")
    assert (second.status_code, second["Content-Type"]) == (409, "application/problem+json")
    assert history(paid.order)[-1] == ("REFUND_APPROVED", "owner")


def test_the_api_approves_nobodys_own(
    paid: Payment,  # noqa: F811
    owners: Client,
) -> None:
    refund = asked_for(owners, paid, "10.01")
    address = f"/api/v1/orders/{paid.order.order_id}/refunds/{refund.out_request_no}/approve"

    response = owners.post(address)

    assert (response.status_code, response.json()["type"]) == (
        403,
        "urn:guitai:problem:second-operator-needed",
    )
    assert Refund.objects.get().status == "WAITING"
