"""When the worker does which story of payments: four times a minute, what is due.

The rows know what is due. A tick that is lost, or a worker that dies, loses nothing.
"""

from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from payments import expiry, one_person, refunds
from payments.models.notice import Notice

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
    one_person.note_setting()
    one_person.let_go_what_waited()
    refunds.send_what_is_due()


@db_periodic_task(crontab(hour="4", minute="30"))
def forget_old_notices() -> None:
    Notice.objects.drop_samples()
    Notice.objects.shorten_old()
