"""What the tests of a day's comparison do again and again."""

from datetime import date
from decimal import Decimal
from typing import Any

from books import reconciliation
from books.models import Bill, Difference
from books.tests.time_travel import DAY, World
from payments import alipay, refunds
from payments.models.payment import Payment
from payments.models.refund import Refund
from users.models import User


def run(day: date = DAY, **options: Any) -> Bill:
    """Reconcile a day by hand."""
    bill, _ = Bill.objects.get_or_create(day=day)
    reconciliation.reconcile(bill, **options)
    return Bill.objects.get(day=day)


def give_back(payment: Payment, amount: str, by: User) -> Refund:
    refund = refunds.request_refund(payment, amount=Decimal(amount), by=by, reason="broken")
    refunds.send(refund)
    refund.refresh_from_db()
    return refund


def in_console(world: World, payment: Payment, amount: str, number: str) -> None:
    """Refund in Alipay's own console: the shop does not know of it."""
    alipay.refund(
        out_trade_no=payment.out_trade_no,
        refund_amount=Decimal(amount),
        out_request_no=number,
        refund_reason="console",
    )


def found() -> list[tuple[str, str, str, str]]:
    """Return what is open, in words."""
    return [
        (each.kind, each.movement, each.out_trade_no, each.out_request_no)
        for each in Difference.objects.open().order_by("kind", "id")
    ]


def trade_no(world: World, payment: Payment) -> str:
    return str(world.sandbox.trade(payment.out_trade_no)["trade_no"])


def is_billed(payment: Payment) -> bool:
    payment.refresh_from_db()
    return payment.billed_on == DAY
