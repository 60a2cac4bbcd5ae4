"""The page of an order tells what happened to it, from its first moment to its last."""

from typing import Any

import pytest
from django.test import Client

from conftest import Sandbox, login, make_order
from orders.models import Order
from payments.models.payment import Payment
from payments.query import ask
from payments.refunds import approve, request_refund
from payments.tests.alipay_side import notice
from payments.tests.test_expiry import order, payment, tick  # noqa: F401
from payments.tests.test_notify import post
from products.models import Product
from users.models import User


def page(order: Order) -> str:  # noqa: F811
    return f"/admin/orders/order/{order.pk}/change/"


def told(response: Any) -> list[tuple[str, str]]:
    return [
        (event.what, event.by.username if event.by else "") for event in response.context["story"]
    ]


def test_the_story_holds_every_step(
    payment: Payment,  # noqa: F811
    sandbox: Sandbox,
    operators: Client,
    operator: User,
    cashier: User,
    owner: User,
    settings: Any,
) -> None:
    settings.REFUND_APPROVAL_AMOUNT = payment.amount - 1
    ask(payment, by=cashier)
    trade = sandbox.control(f"trades/{payment.out_trade_no}/pay", {})
    for _ in range(2):
        post(notice(payment, trade_no=trade["trade_no"]))
    payment.refresh_from_db()
    refund = request_refund(
        payment, amount=payment.amount, by=cashier, reason="broken", restocks=True
    )
    approve(refund, by=owner)
    tick()

    response = operators.get(page(payment.order))

    assert told(response) == [
        ("PLACED", "alice"),
        ("ATTEMPT_OPENED", "alice"),
        ("ASKED", "cashier"),
        ("PAID", ""),
        ("NOTICE", ""),
        ("REFUND_REQUESTED", "cashier"),
        ("REFUND_APPROVED", "owner"),
        ("REFUND_DONE", ""),
        ("REFUNDED", ""),
        ("RESTOCKED", "cashier"),
    ]
    html = response.content.decode()
    story = html[html.index('class="story"') :]
    for event in response.context["story"]:
        assert str(event.get_what_display()) in story
        assert event.about in story
    assert "ACQ.TRADE_NOT_EXIST" in story  # what Alipay answered when nobody had logged in there
    assert refund.out_request_no in story
    assert "broken" in story


def test_the_story_tells_of_a_cancelled_order_and_late_money(
    payment: Payment,  # noqa: F811
    sandbox: Sandbox,
    cashier: User,
) -> None:
    login(cashier).post(f"/admin/orders/order/{payment.order.pk}/cancel/")
    sandbox.control(f"trades/{payment.out_trade_no}/pay", {})
    ask(payment)
    tick()

    assert told(login(cashier).get(page(payment.order))) == [
        ("PLACED", "alice"),
        ("ATTEMPT_OPENED", "alice"),
        ("ASKED", "cashier"),
        ("CANCELLED", "cashier"),
        ("RESTOCKED", "cashier"),
        ("ASKED", ""),
        ("LATE_MONEY", ""),
        ("REFUND_REQUESTED", ""),
        ("REFUND_DONE", ""),
    ]


def test_the_story_is_told_in_beijing_time(operators: Client, alice: User, tea: Product) -> None:
    order = make_order(alice, tea)  # noqa: F811
    at = order.events.get().at

    html = operators.get(page(order)).content.decode()

    in_beijing = f"{(at.hour + 8) % 24:02}:{at:%M:%S}"
    assert f">{in_beijing}</time>" in html


def test_evidence_can_not_speak_html(operators: Client, alice: User, tea: Product) -> None:
    order = make_order(alice, tea)  # noqa: F811
    order.record("NOTICE", evidence="<script>alert(1)</script>")

    html = operators.get(page(order)).content.decode()

    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html


@pytest.mark.parametrize("more", [0, 29])
def test_the_page_makes_few_statements(
    operators: Client, alice: User, tea: Product, more: int, django_assert_num_queries: Any
) -> None:
    order = make_order(alice, tea)  # noqa: F811
    for _ in range(more):
        order.record("ASKED", about=order.order_id, by=alice)

    operators.get(page(order))  # Django remembers its content types

    # session, operator; order, buyer, items; is an attempt open, what paid it; events
    with django_assert_num_queries(8):
        operators.get(page(order))
