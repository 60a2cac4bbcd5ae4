"""Write a filled shop of today down, one dump a database, for the tests of later to upgrade.

    python3 run.py test core/tests/dumps/write.py

It is no test: pytest finds it by its name only, and runs it on both databases. Write one when a
version is released, with the next NUMBER; the ones before stay as they are.
"""

from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest
from django.db import connection

from books import reconciliation
from books.audit import audit
from books.models import Bill
from books.tests import bill_maker
from conftest import environment_of_a_child, make_order, make_product, make_staff
from core.tests.dumps.programs import program
from letters import post
from orders.models import Order
from payments.models.payment import Payment
from payments.refunds import request_refund
from payments.tests.alipay_side import notice
from payments.tests.test_notify import post as notify
from users.models import User

NUMBER = "0001"
HERE = Path(__file__).parent


@pytest.mark.django_db(transaction=True)
def test_write() -> None:
    fill()
    # Nothing is left to a later migration to fill in: the audit says that it all adds up.
    assert audit().count == 0

    file = HERE / f"{NUMBER}.{connection.vendor}.sql"
    file.write_text(dumped(), encoding="utf-8", newline="\n")


def fill() -> None:
    """Let every kind of row be there that a shop has."""
    alice = User.objects.create_user("alice", "alice@example.com")
    cashier, owner = make_staff("cashier"), make_staff("owner")
    tea, cup = make_product(), make_product("建盏 cup", "128.00", 5)

    make_order(alice, tea)
    make_order(alice, cup).cancel(by=alice)
    sold = notified(make_order(alice, tea, quantity=2), "1")
    part = request_refund(sold, amount=Decimal("5.00"), by=cashier, reason="broken", restocks=True)
    part.mark_done()
    request_refund(sold, amount=Decimal("1.00"), by=cashier, reason="more").mark_failed("ACQ.NO")
    whole = notified(make_order(alice, cup), "2")
    request_refund(whole, amount=whole.amount, by=owner, reason="sent back").mark_done()

    late = Payment.objects.attempt(make_order(alice, tea))
    late.close()
    late.order.cancel(by=alice)
    notify(notice(late, trade_no="3"))
    notify(notice(late, trade_no="4") | {"sign": "forged"})

    bill = Bill.objects.create(day=bill_maker.DAY)
    unknown = bill_maker.bill([bill_maker.paid("20261121UNKNOWN", "9.90")])
    reconciliation.compare(bill, BytesIO(unknown), asks=False)
    bill.differences.get().resolve(reason="another shop's", by=owner)
    post.write_letters()


def notified(order: Order, trade_no: str) -> Payment:
    """Let an order be paid, by a notice that is kept."""
    payment = Payment.objects.attempt(order)
    notify(notice(payment, trade_no=trade_no, notify_id=trade_no))
    payment.refresh_from_db()
    return payment


def dumped() -> str:
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        return "\n".join(connection.connection.iterdump()) + "\n"
    url = environment_of_a_child()["DATABASE_URL"]
    return program("pg_dump", "--inserts", "--no-owner", "--no-privileges", url)
