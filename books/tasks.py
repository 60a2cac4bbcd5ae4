"""When the worker keeps the books: the audit at night, each day's bill the next morning."""

from huey import crontab
from huey.contrib.djhuey import db_periodic_task

from books import audit, reconciliation


@db_periodic_task(crontab(minute="*/10"))
def audit_at_night() -> None:
    if audit.is_due():
        audit.audit()


# A bill is due from ten in the morning on, in Beijing, whatever the clock of this machine says: so
# its row says, and Huey need only look.
@db_periodic_task(crontab(minute="*"))
def bills_that_are_due() -> None:
    reconciliation.reconcile_what_is_due()
