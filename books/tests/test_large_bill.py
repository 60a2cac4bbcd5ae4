"""A bill of many rows takes little memory and little time.

``GUITAI_BILL_ROWS=100000`` asks for more than the usual few; the figures are printed (``-s``).
"""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.db.models import Count, Sum

from books.models import Bill, Difference
from books.tests import bill_maker
from conftest import Sandbox, make_order, make_product
from payments.alipay import BEIJING
from payments.journal import JournalEntry
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.test_killed import ROOT, shops_environment
from users.models import User

pytestmark = pytest.mark.slow

ROWS = int(os.environ.get("GUITAI_BILL_ROWS", "3000"))
FEW = 1000
MOST_SECONDS, MOST_MEGABYTES = 60, 64
LARGE_DAY = bill_maker.DAY
SMALL_DAY = LARGE_DAY - timedelta(days=1)

# Reconciles days given by hand and prints, for each, the seconds that it took, and the most memory
# that the process has ever had, in megabytes.
RECONCILE = """
import json, re, sys, time
from pathlib import Path
import django
django.setup()
from django.core.management import call_command
for day, file in json.loads(sys.argv[1]):
    began = time.monotonic()
    call_command("reconcile", date=day, file=Path(file), verbosity=0)
    seconds = time.monotonic() - began
    status = Path("/proc/self/status")
    peak = re.search(r"VmHWM:\\s+(\\d+)", status.read_text()) if status.exists() else None
    print(json.dumps([seconds, int(peak[1]) / 1024 if peak else 0]))
"""


def make_day(buyer: User, day: datetime, size: int) -> bytes:
    """Let there be so many payments, each tenth one refunded in part; return their bill."""
    order = make_order(buyer, make_product(f"tea {size}"))
    paid = {"order": order, "amount": Decimal("9.90"), "time_expire": day, "paid_at": day}
    payments = Payment.objects.bulk_create(
        [
            Payment(out_trade_no=f"N{size}_{n}", trade_no=f"{size}_{n}", status="PAID", **paid)
            for n in range(size - size // 11)
        ],
        batch_size=5000,
    )
    back = {"amount": Decimal("1.00"), "status": "DONE", "cause": "OPERATOR", "done_at": day}
    refunds = Refund.objects.bulk_create(
        [
            Refund(payment=payment, out_request_no=f"{payment}_R1", **back)
            for payment in payments[: size // 11]
        ],
        batch_size=5000,
    )
    at = {"完成时间": f"{day:%Y-%m-%d} 12:00:00"}
    rows = [bill_maker.of(payment, **at) for payment in payments]
    rows += [
        bill_maker.refunded(
            str(each.payment), str(each), "1.00", 支付宝交易号=each.payment.trade_no, **at
        )
        for each in refunds
    ]
    return bill_maker.bill(rows, day=day.date())


@pytest.mark.django_db(transaction=True)
def test_a_large_bill_takes_little_time_and_memory(tmp_path: Path) -> None:
    alice = User.objects.create_user("alice")
    days = []
    for day, size in ((SMALL_DAY, FEW), (LARGE_DAY, ROWS)):
        file = tmp_path / f"{day}.zip"
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=BEIJING)
        file.write_bytes(make_day(alice, noon, size))
        days.append([str(day), str(file)])

    nowhere = Sandbox(address="", gateway=settings.ALIPAY_GATEWAY_URL)
    printed = subprocess.run(
        [sys.executable, "-c", RECONCILE, json.dumps(days)],
        cwd=ROOT,
        env=shops_environment(nowhere) | {"DJANGO_SETTINGS_MODULE": "core.settings"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout

    figures = [json.loads(line) for line in printed.splitlines() if line.startswith("[")]
    (_, base), (seconds, peak) = figures
    print(f"{ROWS} rows: {seconds:.1f} s, {base:.0f} MB and {peak - base:.1f} MB more")  # noqa: T201
    bill = Bill.objects.get(day=LARGE_DAY)
    assert (bill.status, bill.payments + bill.refunds) == ("READ", ROWS)
    assert Difference.objects.count() == 0
    fees = JournalEntry.objects.filter(at__date=LARGE_DAY).aggregate(
        rows=Count("id"), sum=Sum("amount")
    )
    assert (fees["rows"], bill.fees > 0) == (ROWS, True)
    assert seconds < MOST_SECONDS
    assert peak - base < MOST_MEGABYTES
