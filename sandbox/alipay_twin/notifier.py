"""Tells merchants what became of their trades, until they say ``success``.

One thread watches the sandbox's clock. When a trade's time comes it changes the trade; when a
notice's time comes it hands it to one of a few senders, so that a slow merchant does not hold up
the others. A notice is a row: a process that dies while sending tells it again when it is back.

``advance`` turns the clock. Everything that falls due on the way happens in order, each thing at
its own instant, before the call returns.
"""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db import connection

from . import notices, trades, wire
from .behaviour import rules
from .clock import clock, schedule_changed
from .models import Attempt, Notice, Trade
from .state import change, store_clock

logger = logging.getLogger(__name__)

SENDERS = 32
PER_MERCHANT = 8
LONGEST_ANSWER = 4000
LONGEST_NAP = 1.0


# -- one message -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """What a merchant answered, exactly; or why nothing was heard."""

    status: int | None
    body: str
    error: str = ""
    milliseconds: int = 0

    @property
    def is_success(self) -> bool:
        return self.status == 200 and self.body == "success"


def post(url: str, body: bytes, charset: str = "utf-8") -> Reply:
    """POST a form as Alipay does: no redirects, no cookies, no proxies, and little patience."""
    started = time.monotonic()
    limit = rules.behaviour.notify_timeout

    def taken() -> int:
        return int((time.monotonic() - started) * 1000)

    try:
        target = urlsplit(url)
        connect = _https if target.scheme == "https" else http.client.HTTPConnection
        caller = connect(target.hostname or "", target.port, timeout=limit)
        try:
            caller.request(
                "POST",
                (target.path or "/") + (f"?{target.query}" if target.query else ""),
                body,
                {
                    "Content-Type": f"application/x-www-form-urlencoded; charset={charset}",
                    "User-Agent": "Mozilla/4.0",
                    "Connection": "close",
                },
            )
            answer = caller.getresponse()
            heard = b""
            while len(heard) < LONGEST_ANSWER and (piece := answer.read1(LONGEST_ANSWER)):
                heard += piece
                if time.monotonic() - started > limit:
                    raise TimeoutError("timed out")
        finally:
            caller.close()
    except (OSError, http.client.HTTPException, ValueError) as reason:
        return Reply(None, "", f"{type(reason).__name__}: {reason}"[:300], taken())
    return Reply(answer.status, heard.decode("utf-8", "replace"), "", taken())


def _https(host: str, port: int | None, timeout: float) -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection(
        host, port, timeout=timeout, context=ssl.create_default_context()
    )


def attempt(
    notice: Notice, *, by_ladder: bool, and_then: Callable[[], None] | None = None
) -> Attempt:
    """Send one notice now, and write down what was answered."""
    at = clock.now()
    charset = notice.trade.charset
    sent = wire.form(notices.signed_fields(notice, at), charset).encode()
    reply = post(notice.url, sent, charset)
    with change():
        notice.refresh_from_db(fields=["state", "due_at", "retries", "copies"])
        made = Attempt.objects.create(
            notice=notice,
            at=at,
            status=reply.status,
            body=reply.body.replace("\0", "�"),
            error=reply.error,
            milliseconds=reply.milliseconds,
        )
        if by_ladder:
            _schedule_next(notice, reply, at)
        elif reply.is_success:
            notice.state, notice.due_at = Notice.State.DELIVERED, None
        notice.save(update_fields=["state", "due_at", "retries", "copies"])
        if and_then:
            and_then()
    return made


def _schedule_next(notice: Notice, reply: Reply, at: datetime) -> None:
    if notice.copies:
        notice.copies -= 1
        notice.due_at = at
        return
    if reply.is_success:
        notice.state, notice.due_at = Notice.State.DELIVERED, None
        return
    gaps = rules.behaviour.gaps
    if notice.retries >= len(gaps):
        notice.state, notice.due_at = Notice.State.GIVEN_UP, None
        return
    notice.due_at = at + timedelta(seconds=gaps[notice.retries])
    notice.retries += 1


def send(notice: Notice, *, times: int, at_once: bool = False) -> None:
    """Send a notice now, so many times, one after the other or all at once; the ladder stands."""
    if not at_once:
        for _ in range(times):
            attempt(notice, by_ladder=False)
        return

    def one(pk: int) -> None:
        try:
            attempt(_loaded(pk), by_ladder=False)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=min(times, SENDERS)) as senders:
        list(senders.map(one, [notice.pk] * times))


def _loaded(pk: int) -> Notice:
    return Notice.objects.select_related("trade__merchant", "trade__buyer").get(pk=pk)


# -- what is due -----------------------------------------------------------------------------------


class Notifier(threading.Thread):
    """The thread that watches the clock."""

    def __init__(self) -> None:
        super().__init__(name="notifier", daemon=True)
        self._turning = threading.Lock()  # held while the clock is being turned by hand
        self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="sender")
        self._state = threading.Condition()
        self._busy_trades: set[int] = set()
        self._busy_urls: Counter[str] = Counter()

    def run(self) -> None:
        while True:
            schedule_changed.clear()
            wait: float | None = 0.5
            try:
                with self._turning:
                    wait = self._do_what_is_due()
            except Exception:
                logger.exception("Notifier: trying again")
            schedule_changed.wait(min(wait if wait is not None else LONGEST_NAP, LONGEST_NAP))
            time.sleep(0.01)  # what comes together is looked at together

    def _do_what_is_due(self) -> float | None:
        """Do everything whose time has come; say how many real seconds until there is more."""
        while due := trades.next_due():
            instant, pk = due
            if instant > clock.now():
                break
            self._let_time_pass(pk)
        soonest = due[0] if due else None
        for pk, url, trade_id in self._due_notices():
            self._hand_over(pk, url, trade_id)
        later = (
            Notice.objects.filter(state=Notice.State.PENDING, due_at__gt=clock.now())
            .order_by("due_at")
            .values_list("due_at", flat=True)
            .first()
        )
        instants = [instant for instant in (soonest, later) if instant is not None]
        return clock.real_seconds_until(min(instants)) if instants else None

    def _due_notices(self) -> list[tuple[int, str, int]]:
        with self._state:
            busy = list(self._busy_trades)
            full = [url for url, count in self._busy_urls.items() if count >= PER_MERCHANT]
        due = Notice.objects.filter(state=Notice.State.PENDING, due_at__lte=clock.now())
        due = due.exclude(trade_id__in=busy).exclude(url__in=full).order_by("due_at", "pk")
        return list(due.values_list("pk", "url", "trade_id")[: 2 * SENDERS])

    def _let_time_pass(self, pk: int) -> None:
        with change():
            trade = Trade.objects.select_related("merchant", "buyer").get(pk=pk)
            trades.fall_due(trade, clock.now())
            if clock.is_held:
                store_clock()

    def _hand_over(self, pk: int, url: str, trade_id: int) -> None:
        with self._state:
            if trade_id in self._busy_trades or self._busy_urls[url] >= PER_MERCHANT:
                return
            self._busy_trades.add(trade_id)
            self._busy_urls[url] += 1
        self._senders.submit(self._send, pk, url, trade_id)

    def _send(self, pk: int, url: str, trade_id: int) -> None:
        try:
            notice = Notice.objects.select_related("trade__merchant", "trade__buyer").filter(pk=pk)
            for found in notice.filter(state=Notice.State.PENDING):
                attempt(found, by_ladder=True)
        except Exception:
            logger.exception("Notice %s: could not be sent", pk)
        finally:
            with self._state:
                self._busy_trades.discard(trade_id)
                self._busy_urls[url] -= 1
                self._busy_urls += Counter()  # forgets what has come to nothing
                self._state.notify_all()
            schedule_changed.set()

    @contextmanager
    def _resting(self) -> Iterator[None]:
        """Nothing is sent meanwhile but by the caller."""
        with self._turning:
            with self._state:
                self._state.wait_for(lambda: not self._busy_trades, timeout=90)
            yield

    def at_rest(self, work: Callable[[], None]) -> None:
        """Do something while nothing is under way."""
        with self._resting():
            work()

    def advance(self, to: datetime | timedelta) -> int:
        """Turn the clock forward, doing in order all that falls due; say how much that was."""
        done = 0
        with self._resting():
            clock.hold()
            try:
                target = clock.now() + to if isinstance(to, timedelta) else to
                while (due := _first_due()) and due.instant <= target:
                    clock.step(due.instant)
                    if due.is_trade:
                        self._let_time_pass(due.pk)
                    else:
                        attempt(_loaded(due.pk), by_ladder=True, and_then=store_clock)
                    done += 1
                clock.step(target)
            finally:
                clock.release()
                with change():
                    store_clock()
        schedule_changed.set()
        return done


@dataclass(frozen=True, order=True)
class Due:
    instant: datetime
    is_notice: bool
    pk: int

    @property
    def is_trade(self) -> bool:
        return not self.is_notice


def _first_due() -> Due | None:
    """What comes first, trade or notice; of two at one instant the trade."""
    firsts = []
    if trade := trades.next_due():
        firsts.append(Due(trade[0], False, trade[1]))
    notice = (
        Notice.objects.filter(state=Notice.State.PENDING)
        .order_by("due_at", "pk")
        .values_list("due_at", "pk")
        .first()
    )
    if notice:
        firsts.append(Due(notice[0] or clock.now(), True, notice[1]))
    return min(firsts, default=None)


notifier = Notifier()
