"""The operator refunds: in the admin, and by the API."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from conftest import login, make_order
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.test_settle import trade_of
from products.models import Product
from users.models import User


@pytest.fixture
def paid(alice: User, tea: Product) -> Payment:
    payment = Payment.objects.attempt(make_order(alice, tea, quantity=2))
    payment.settle(trade_of(payment))
    return Payment.objects.get()


def refund(
    client: Client, paid: Payment, headers: dict[str, str] | None = None, **changes: Any
) -> Any:
    body = {"amount": "5.00", "reason": "broken"} | changes
    address = f"/api/v1/orders/{paid.order.order_id}/refunds"
    return client.post(address, body, content_type="application/json", headers=headers)


def test_the_admin_refunds_a_part(operators: Client, operator: User, paid: Payment) -> None:
    page = f"/admin/payments/payment/{paid.pk}/"
    assert f"{page}refund/" in operators.get(f"{page}change/").content.decode()
    assert 'value="19.80"' in operators.get(f"{page}refund/").content.decode()

    response = operators.post(f"{page}refund/", {"amount": "5.00", "reason": "broken"})

    wanted = Refund.objects.get()
    assert (response.status_code, response["Location"]) == (302, f"{page}change/")
    assert (wanted.amount, wanted.reason, wanted.requested_by) == (
        Decimal("5.00"),
        "broken",
        operator,
    )
    assert "5.00" in LogEntry.objects.get().change_message


@pytest.mark.parametrize("amount", ["0", "-1", "19.81", "1.005", "NaN", "", "many"])
def test_the_admin_refuses(operators: Client, paid: Payment, amount: str) -> None:
    address = f"/admin/payments/payment/{paid.pk}/refund/"

    response = operators.post(address, {"amount": amount, "reason": "broken"})

    assert response.status_code == 200
    assert response.context["form"].errors
    assert Refund.objects.count() == 0


def test_the_api_refunds_for_the_staff(operators: Client, paid: Payment) -> None:
    response = refund(operators, paid, restocks=True)

    wanted = Refund.objects.get()
    assert response.status_code == 201
    assert (response.json()["out_request_no"], response.json()["amount"]) == (
        wanted.out_request_no,
        "5.00",
    )
    assert wanted.restocks


def test_a_form_that_is_sent_twice_asks_once(operators: Client, paid: Payment) -> None:
    address = f"/admin/payments/payment/{paid.pk}/refund/"
    shown = operators.get(address).context["form"].initial
    form = {"amount": "5.00", "reason": "broken", "after": shown["after"]}

    operators.post(address, form, headers={"Accept-Language": "en"})
    second = operators.post(address, form, follow=True, headers={"Accept-Language": "en"})

    told = [str(each) for each in second.context["messages"]]
    assert told[-1].startswith("Another refund was asked for meanwhile")
    assert Refund.objects.count() == 1


def test_the_api_refunds_once_by_one_idempotency_key(operators: Client, paid: Payment) -> None:
    """After a time-out nobody knows whether it was heard: it is said again."""
    first, again, other = (
        refund(operators, paid, headers={"Idempotency-Key": key}) for key in ("1", "1", "x" * 255)
    )

    assert [each.status_code for each in (first, again, other)] == [201, 201, 201]
    assert first.json() == again.json() != other.json()
    assert Refund.objects.count() == 2


@pytest.mark.parametrize(
    "changes", [{"amount": "5.01"}, {"reason": "lost"}, {"restocks": True}], ids=str
)
def test_a_key_with_another_body_is_no_repeat(
    operators: Client, paid: Payment, changes: dict[str, Any]
) -> None:
    key = {"Idempotency-Key": "1"}
    refund(operators, paid, headers=key)

    refused = refund(operators, paid, headers=key, **changes)

    assert (refused.status_code, refused.json()["type"]) == (
        422,
        "urn:guitai:problem:idempotency-key-used",
    )
    assert Refund.objects.count() == 1


def test_a_key_of_another_operator_is_no_repeat(
    operators: Client, cashier: User, paid: Payment
) -> None:
    key = {"Idempotency-Key": "1"}
    mine = refund(operators, paid, headers=key)

    theirs = refund(login(cashier), paid, headers=key)

    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["out_request_no"] != theirs.json()["out_request_no"]


@pytest.mark.parametrize("key", ["", " ", "一", "a b", "é", "\x7f", "x" * 256])
def test_a_key_that_is_no_key_is_refused(operators: Client, paid: Payment, key: str) -> None:
    """A server may hand over a header that it cannot read as an empty one: that is no "no key"."""
    refused = refund(operators, paid, headers={"Idempotency-Key": key})

    assert (refused.status_code, refused.json()["type"]) == (
        400,
        "urn:guitai:problem:idempotency-key-invalid",
    )
    assert Refund.objects.count() == 0


def test_the_form_offers_what_is_left_to_the_fen(operators: Client, paid: Payment) -> None:
    page = f"/admin/payments/payment/{paid.pk}/refund/"
    operators.post(page, {"amount": "0.35", "reason": "a part"})

    form = operators.get(page).context["form"]
    operators.post(page, form.initial | {"reason": "the rest"})

    assert str(form.initial["amount"]) == "19.45"
    assert [str(each.amount) for each in Refund.objects.all()] == ["0.35", "19.45"]


def test_nobody_else_refunds(alices: Client, paid: Payment) -> None:
    page = f"/admin/payments/payment/{paid.pk}/refund/"

    assert refund(alices, paid).status_code == 403
    assert refund(Client(), paid).status_code == 401
    assert alices.post(page, {"amount": "5.00", "reason": "x"}).status_code == 302
    assert Refund.objects.count() == 0


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"amount": "19.81"}, 409),
        ({"amount": "0.00"}, 422),
        ({"amount": "1.005"}, 422),
        ({"amount": "NaN"}, 422),
        ({"amount": "1_0"}, 422),
        ({"amount": True}, 422),
        ({"amount": None}, 422),
        ({"reason": ""}, 422),
        ({"reason": " \n"}, 422),
        ({"reason": "x" * 201}, 422),
    ],
)
def test_the_api_refuses(
    operators: Client, paid: Payment, changes: dict[str, Any], status: int
) -> None:
    response = refund(operators, paid, **changes)

    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert Refund.objects.count() == 0


def test_an_unpaid_order_has_nothing_to_refund(
    operators: Client, alice: User, tea: Product
) -> None:
    payment = Payment.objects.attempt(make_order(alice, tea))

    refused = refund(operators, payment)
    assert (refused.status_code, refused.json()["type"]) == (
        409,
        "urn:guitai:problem:nothing-to-refund",
    )
    page = operators.get(f"/admin/payments/payment/{payment.pk}/change/").content.decode()
    assert f"{payment.pk}/refund/" not in page
