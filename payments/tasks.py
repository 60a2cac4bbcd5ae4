"""When the worker does which story: four times a minute, what is due; at night, the audit.

The rows know what is due. A tick that is lost, or a worker that dies, loses nothing.
"""

from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from payments import audit, expiry, reconciliation, refunds

# Seconds after each full minute, beside the minute itself: Huey's clock knows minutes only.
WITHIN_THE_MINUTE = (15, 30, 45)


@db_periodic_task(crontab(minute="*"))
def every_minute() -> None:
    for seconds in WITHIN_THE_MINUTE:
        what_is_due.schedule(delay=seconds)
    what_is_due.call_local()


@db_task()
def what_is_due() -> None:
    expiry.ask_what_is_due()
    expiry.cancel_expired_orders()
    refunds.send_what_is_due()


@db_periodic_task(crontab(minute="*/10"))
def audit_at_night() -> None:
    if audit.is_due():
        audit.audit()


# A bill is due from ten in the morning on, in Beijing, whatever the clock of this machine says: so
# its row says, and Huey need only look.
@db_periodic_task(crontab(minute="*"))
def bills_that_are_due() -> None:
    reconciliation.reconcile_what_is_due()
