"""When the worker writes and sends letters: four times a minute, and never instead of the money.

The worker has two threads. One at most waits for a mail server, however slow that is; the other is
free for what payments has to do.
"""

import threading

from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from letters import one_person, post
from payments.tasks import WITHIN_THE_MINUTE

one_postman = threading.Lock()


@db_periodic_task(crontab(minute="*"))
def letters_every_minute() -> None:
    for seconds in WITHIN_THE_MINUTE:
        letters_that_are_due.schedule(delay=seconds)
    letters_that_are_due.call_local()


@db_task()
def letters_that_are_due() -> None:
    if not one_postman.acquire(blocking=False):
        return
    try:
        one_person.tell_of_what_waits()
        post.write_letters()
        post.send_what_is_due()
    finally:
        one_postman.release()
