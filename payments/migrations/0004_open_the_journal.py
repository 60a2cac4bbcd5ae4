"""What was paid and refunded so far is where the journal begins; nothing changes it from here."""

from typing import Any

from django.db import migrations

from core.append_only import guard


def open_the_journal(apps: Any, editor: Any) -> None:
    journal = apps.get_model("payments", "JournalEntry").objects
    payments = apps.get_model("payments", "Payment").objects.exclude(trade_no="")
    for payment in payments.select_related("order").prefetch_related("refunds"):
        is_late = payment.order.transaction_id != payment.trade_no
        journal.create(
            at=payment.paid_at,
            what="LATE_IN" if is_late else "SALE",
            debit="ALIPAY",
            credit="LATE_MONEY" if is_late else "SALES",
            amount=payment.amount,
            payment=payment,
        )
        for refund in payment.refunds.all():
            if refund.status == "DONE":
                journal.create(
                    at=refund.done_at,
                    what="LATE_OUT" if is_late else "REFUND",
                    debit="LATE_MONEY" if is_late else "RETURNS",
                    credit="ALIPAY",
                    amount=refund.amount,
                    payment=payment,
                    refund=refund,
                )


class Migration(migrations.Migration):
    dependencies = [("payments", "0003_attempts_approval_journal")]

    operations = [
        migrations.RunPython(open_the_journal, migrations.RunPython.noop),
        guard("payments_journalentry"),
    ]
