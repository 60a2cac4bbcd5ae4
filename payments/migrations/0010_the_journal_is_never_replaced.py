from django.db import migrations

from core.append_only import guard_the_whole

# The journal's two unique keys.
SAME = """
    EXISTS (
        SELECT 1 FROM payments_journalentry WHERE refund_id = NEW.refund_id AND what = NEW.what
    ) OR NEW.refund_id IS NULL AND EXISTS (
        SELECT 1 FROM payments_journalentry
        WHERE payment_id = NEW.payment_id AND what = NEW.what AND refund_id IS NULL
    )
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0009_the_attempt_chosen_last")]

    operations = [guard_the_whole("payments_journalentry", same=SAME)]
