"""What each call to notify_url is answered, and what it books."""

import logging
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client

from conftest import make_order
from core.tests import environment
from orders.models import Order
from payments.models.notice import Notice
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.alipay_side import TRADE_NO, notice, returned, sign
from products.models import Product
from users.models import User

NOTIFY = "/payments/alipay/notify/"
FORM = "application/x-www-form-urlencoded; charset=utf-8"


@pytest.fixture
def payment(alice: User, tea: Product) -> Payment:
    return Payment.objects.attempt(make_order(alice, tea))


def post(fields: dict[str, str]) -> Any:
    return Client(enforce_csrf_checks=True).post(NOTIFY, urlencode(fields), content_type=FORM)


def assert_refused(response: Any, payment: Payment, check: str) -> None:
    order = Order.objects.get()
    kept = Notice.objects.latest("id")
    assert response.content == b"failure"
    assert response["Content-Type"] == "text/plain"
    assert (order.status, order.transaction_id, order.paid_at) == ("UNPAID", "", None)
    assert Payment.objects.get().status == "PENDING"
    assert kept.verdict == "REFUSED"
    assert kept.reason.split(":")[0] == check


@pytest.mark.parametrize("trade_status", ["TRADE_SUCCESS", "TRADE_FINISHED"])
def test_notify_settles_the_order(payment: Payment, trade_status: str) -> None:
    response = post(notice(payment, trade_status=trade_status))

    order = Order.objects.get()
    kept = Notice.objects.get()
    assert (response.status_code, response.content) == (200, b"success")
    assert response["Content-Type"] == "text/plain"
    assert (order.status, order.payment_method, order.transaction_id) == (
        "PAID",
        "alipay",
        TRADE_NO,
    )
    assert order.paid_at == datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # 20:00 in Beijing
    assert (kept.verdict, kept.payment, kept.trade_status) == ("SETTLED", payment, trade_status)
    assert "trade_status_sync" in kept.raw


def test_notify_twice_changes_nothing(payment: Payment) -> None:
    post(notice(payment))
    paid = Order.objects.get()

    response = post(notice(payment, gmt_payment="2026-11-23 09:00:00"))

    assert response.content == b"success"
    assert Order.objects.values().get() == {**Order.objects.values().get(), "paid_at": paid.paid_at}
    assert [kept.verdict for kept in Notice.objects.order_by("id")] == ["SETTLED", "REPEATED"]


def test_notify_of_success_then_finished_changes_nothing(payment: Payment) -> None:
    post(notice(payment))
    paid = Order.objects.values().get()

    response = post(notice(payment, trade_status="TRADE_FINISHED"))

    assert response.content == b"success"
    assert Order.objects.values().get() == paid


def test_notify_of_a_closed_trade_is_recorded(payment: Payment) -> None:
    response = post(notice(payment, trade_status="TRADE_CLOSED", gmt_payment=None))

    assert response.content == b"success"
    assert Order.objects.get().status == "UNPAID"
    assert Payment.objects.get().status == "CLOSED"
    assert Notice.objects.get().verdict == "CLOSED"


def test_notify_of_a_closed_trade_does_not_unpay(payment: Payment) -> None:
    post(notice(payment))

    response = post(notice(payment, trade_status="TRADE_CLOSED"))

    assert response.content == b"success"
    assert Order.objects.get().status == "PAID"
    assert Payment.objects.get().status == "PAID"


def test_notify_after_closed_still_settles(payment: Payment) -> None:
    post(notice(payment, trade_status="TRADE_CLOSED", gmt_payment=None))

    response = post(notice(payment))

    assert response.content == b"success"
    assert Order.objects.get().status == "PAID"


def test_notify_of_a_cancelled_order_records_the_money(payment: Payment) -> None:
    payment.order.cancel()

    response = post(notice(payment))

    assert response.content == b"success"
    assert Order.objects.get().status == "CANCELLED"
    assert Payment.objects.get().status == "PAID"
    assert Refund.objects.values("amount", "cause", "status").get() == {
        "amount": payment.amount,
        "cause": "LATE",
        "status": "REQUESTED",
    }


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("trade_status", {"trade_status": "WAIT_BUYER_PAY"}),
        ("trade_status", {"trade_status": "TRADE_SHIPPED"}),
        ("trade_status", {"trade_status": None}),
        ("app_id", {"app_id": "9021000000000002"}),
        ("app_id", {"app_id": None}),
        ("seller_id", {"seller_id": "2088000000000009"}),
        ("seller_id", {"seller_id": None}),
        ("notify_type", {"notify_type": "trade_refund"}),
        ("total_amount", {"total_amount": "9.91"}),
        ("total_amount", {"total_amount": "9.89"}),
        ("total_amount", {"total_amount": "990.00"}),
        ("total_amount", {"total_amount": "9.900"}),
        ("total_amount", {"total_amount": "1e2"}),
        ("total_amount", {"total_amount": "NaN"}),
        ("total_amount", {"total_amount": "-9.90"}),
        ("total_amount", {"total_amount": "９.９０"}),
        ("total_amount", {"total_amount": " 9.90"}),
        ("total_amount", {"total_amount": None}),
        ("out_trade_no", {"out_trade_no": "20261122UNKNOWN"}),
        ("out_trade_no", {"out_trade_no": None}),
        ("trade_no", {"trade_no": None}),
        ("refund", {"refund_fee": "1.00"}),
        ("refund", {"out_biz_no": "R1"}),
        ("refund", {"refund_fee": "9.90", "trade_status": "TRADE_CLOSED"}),
        ("fields", {"gmt_payment": "yesterday"}),
    ],
)
def test_notify_refuses_what_is_genuine_but_not_ours(
    payment: Payment, check: str, changes: dict[str, Any]
) -> None:
    response = post(notice(payment, **changes))

    assert_refused(response, payment, check)


STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize("key", [STRANGER, environment.APP_KEY], ids=["stranger", "our own key"])
def test_notify_refuses_a_forged_signature(payment: Payment, key: rsa.RSAPrivateKey) -> None:
    assert_refused(post(notice(payment, key=key)), payment, "sign")


@pytest.mark.parametrize("garbage", ["", "garbage", "====", "é", "A" * 344, "AAA"])
def test_notify_refuses_a_garbage_signature(payment: Payment, garbage: str) -> None:
    assert_refused(post({**notice(payment), "sign": garbage}), payment, "sign")


def test_notify_refuses_a_missing_signature(payment: Payment) -> None:
    fields = notice(payment)
    del fields["sign"]

    assert_refused(post(fields), payment, "sign")


@pytest.mark.parametrize("sign_type", ["RSA", "", "rsa2", None])
def test_notify_refuses_another_sign_type(payment: Payment, sign_type: str | None) -> None:
    assert_refused(post(notice(payment, sign_type=sign_type)), payment, "sign_type")


def test_notify_refuses_an_edited_field(payment: Payment) -> None:
    assert_refused(post({**notice(payment), "buyer_id": "2088000000000003"}), payment, "sign")


def test_notify_refuses_a_signed_return(payment: Payment) -> None:
    assert_refused(post(returned(payment)), payment, "notify_type")


def test_notify_refuses_a_signed_return_with_a_status(payment: Payment) -> None:
    assert_refused(post(returned(payment, trade_status="TRADE_SUCCESS")), payment, "notify_type")


def test_notify_refuses_a_name_that_comes_twice(payment: Payment) -> None:
    body = urlencode(notice(payment)) + "&total_amount=9.90"

    response = Client().post(NOTIFY, body, content_type=FORM)

    assert_refused(response, payment, "fields")


def test_notify_refuses_gbk(payment: Payment) -> None:
    fields = notice(payment, charset="GBK")
    body = urlencode(fields, encoding="gbk")

    response = Client().post(
        NOTIFY, body, content_type="application/x-www-form-urlencoded; charset=GBK"
    )

    assert_refused(response, payment, "charset")


def test_notify_refuses_raw_bytes(payment: Payment) -> None:
    response = Client().post(NOTIFY, b"\x00\xff\xfe" * 9, content_type=FORM)

    assert_refused(response, payment, "sign_type")


def test_notify_refuses_an_empty_body(payment: Payment) -> None:
    assert_refused(post({}), payment, "sign_type")


def test_notify_refuses_a_megabyte(payment: Payment, caplog: pytest.LogCaptureFixture) -> None:
    response = post({**notice(payment), "padding": "x" * 1_000_000})

    assert response.content == b"failure"
    assert Order.objects.get().status == "UNPAID"
    assert Notice.objects.count() == 0
    assert "size" in caplog.text


def test_notify_refuses_a_thousand_fields(payment: Payment) -> None:
    fields = {f"f{number}": "" for number in range(1000)}

    assert_refused(post({**notice(payment), **fields}), payment, "fields")


def test_notify_does_not_answer_a_get(payment: Payment) -> None:
    response = Client().get(NOTIFY, notice(payment))

    assert response.status_code == 405
    assert Order.objects.get().status == "UNPAID"


def test_notify_says_which_check_refused_and_no_secret(
    payment: Payment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fields = notice(payment, seller_id="2088000000000009")

    post(fields)
    post(notice(payment))

    assert "refused: seller_id" in caplog.text
    assert fields["sign"][:20] not in caplog.text
    assert "fund_bill_list" not in caplog.text
    assert "PRIVATE KEY" not in caplog.text


def test_notify_is_never_redirected(payment: Payment) -> None:
    response = Client().post(NOTIFY.rstrip("/"), urlencode(notice(payment)), content_type=FORM)

    assert (response.status_code, response.content) == (200, b"success")
    assert Order.objects.get().status == "PAID"


def test_notify_keeps_fields_it_does_not_know(payment: Payment) -> None:
    response = post(notice(payment, discount_amount="0.00", 新="值"))

    assert response.content == b"success"
    assert Order.objects.get().status == "PAID"


def test_notify_needs_no_gmt_payment(payment: Payment) -> None:
    response = post(notice(payment, gmt_payment=None))

    assert response.content == b"success"
    assert Order.objects.get().paid_at is not None


def test_sign_is_what_alipay_documents(payment: Payment) -> None:
    """The tests' own signature leaves out sign_type: with it, the shop must refuse."""
    fields = notice(payment)
    del fields["sign"]
    with_sign_type = {**fields, "sign_type ": "RSA2"}

    assert sign(fields) != sign(with_sign_type)


@pytest.mark.parametrize("rows", [1, 30])
def test_notify_makes_few_statements(
    payment: Payment, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        post({**notice(payment), "sign": "x"})
    fields = notice(payment)

    # store, find; then BEGIN, lock, payment, order, event, journal, verdict, COMMIT
    with django_assert_num_queries(10):
        post(fields)
