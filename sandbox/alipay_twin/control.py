"""The control API: for tests, in any language, to do what buyers, time and bad luck do.

No login: it listens on this machine alone, and ``origin_guard`` keeps web pages away. Errors are
``application/problem+json``.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from ninja import Body, NinjaAPI, Query, Schema, Status
from ninja.errors import HttpError, ValidationError
from ninja.operation import Operation
from ninja.renderers import JSONRenderer
from pydantic import ConfigDict, Discriminator, Field, Tag

from . import __version__, gateway, keyring, notices, notifier, trades, wire
from .accounts import accounts
from .behaviour import Behaviour, NotifyPolicy, rules
from .clock import BEIJING, clock, news, real_now
from .faults import FaultIn, faults
from .models import Buyer, Fault, Merchant, Notice, Trade, TradeStatus
from .money import fen, yuan
from .refusals import Refusal
from .requestlog import requests
from .server.options import options
from .state import change, forget, remember_clock


class Readable(JSONRenderer):
    """JSON in which Chinese stays Chinese."""

    json_dumps_params: dict[str, Any] = {"ensure_ascii": False}


class ControlAPI(NinjaAPI):
    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The name that generated clients know it by, in whatever module it lies."""
        return f"sandbox_control_{operation.view_func.__name__}"


api = ControlAPI(
    title="Alipay sandbox: control API",
    version=__version__,
    description="What buyers, time and bad luck do, for tests. Money is text in yuan; times are "
    "RFC 3339 by the sandbox's clock, in Beijing.",
    urls_namespace="control",
    docs_url="/docs",
    renderer=Readable(),
)


# -- errors ----------------------------------------------------------------------------------------


class Problem(Exception):
    """A request that cannot be done, and why."""

    def __init__(self, status: int, title: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.more = status, title, detail, more


class ProblemOut(Schema):
    type: str = "about:blank"
    title: str
    status: int
    detail: str
    sub_code: str | None = None
    errors: dict[str, list[str]] | None = None


def _told(request: HttpRequest, status: int, title: str, detail: str, **more: Any) -> HttpResponse:
    told = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    response = api.create_response(request, told, status=status)
    response.headers["Content-Type"] = "application/problem+json"
    return response


@api.exception_handler(Problem)
def _problem(request: HttpRequest, problem: Problem) -> HttpResponse:
    return _told(request, problem.status, problem.title, problem.detail, **problem.more)


@api.exception_handler(Refusal)
def _refusal(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    return _told(request, 409, "Alipay refuses", refusal.words, sub_code=refusal.sub_code)


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, invalid: ValidationError) -> HttpResponse:
    errors: dict[str, list[str]] = {}
    for error in invalid.errors:
        place = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
        errors.setdefault(".".join(place[1:] or place) or "body", []).append(error["msg"])
    detail = "; ".join(f"{name}: {', '.join(words)}" for name, words in errors.items())
    return _told(request, 422, "Invalid request", detail, errors=errors)


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    return _told(request, error.status_code, "Cannot be read", str(error))


@api.exception_handler(Http404)
def _not_found(request: HttpRequest, missing: Http404) -> HttpResponse:
    return _told(request, 404, "Not found", str(missing) or "There is no such thing.")


PROBLEMS: dict[Any, Any] = {frozenset({400, 403, 404, 409, 422}): ProblemOut}


class In(Schema):
    model_config = ConfigDict(extra="forbid")


# -- trades ----------------------------------------------------------------------------------------


class RefundOut(Schema):
    out_request_no: str
    refund_amount: str
    refund_fee: str
    refund_reason: str
    at: datetime


class EventOut(Schema):
    at: datetime
    kind: str
    detail: str


class TradeOut(Schema):
    out_trade_no: str
    trade_no: str | None
    trade_status: str | None = Field(description="null until a buyer has opened it")
    total_amount: str
    refund_fee: str = Field(description="the sum of what was refunded")
    refunds: list[RefundOut]
    app_id: str
    seller_id: str
    product: str
    subject: str
    body: str
    passback_params: str
    buyer_id: str | None
    buyer_logon_id: str | None
    requested_at: datetime
    expires_at: datetime | None
    gmt_create: datetime | None
    gmt_payment: datetime | None
    gmt_close: datetime | None
    finish_at: datetime | None
    notify_url: str
    return_url: str
    quit_url: str
    cashier_url: str
    qr_code: str
    return_address: str | None = Field(description="where a buyer who paid is sent, signed")
    history: list[EventOut]


class TradesOut(Schema):
    items: list[TradeOut]
    count: int


def trade_out(request: HttpRequest, trade: Trade) -> TradeOut:
    address = request.build_absolute_uri("/").rstrip("/")
    buyer = trade.buyer
    return TradeOut(
        out_trade_no=trade.out_trade_no,
        trade_no=trade.trade_no,
        trade_status=trade.status or None,
        total_amount=trade.total_amount,
        refund_fee=trade.refund_fee,
        refunds=[
            RefundOut(
                out_request_no=refund.out_request_no,
                refund_amount=refund.refund_amount,
                refund_fee=yuan(refund.total_so_far),
                refund_reason=refund.reason,
                at=refund.at.astimezone(BEIJING),
            )
            for refund in trade.refunds.all()
        ],
        app_id=trade.merchant.app_id,
        seller_id=trade.merchant.seller_id,
        product=trade.get_product_display(),
        subject=trade.subject,
        body=trade.extras.get("body", ""),
        passback_params=trade.extras.get("passback_params", ""),
        buyer_id=buyer.user_id if buyer else None,
        buyer_logon_id=buyer.logon_id if buyer else None,
        requested_at=trade.requested_at.astimezone(BEIJING),
        expires_at=beijing(trade.expires_at),
        gmt_create=beijing(trade.created_at),
        gmt_payment=beijing(trade.paid_at),
        gmt_close=beijing(trade.closed_at),
        finish_at=beijing(trade.finish_at),
        notify_url=trade.notify_url,
        return_url=trade.return_url,
        quit_url=trade.quit_url,
        cashier_url=f"{address}/cashier/{trade.token}/",
        qr_code=gateway.qr_code(trade, address),
        return_address=(notices.return_address(trade) or None) if trade.is_paid else None,
        history=[
            EventOut(at=event.at.astimezone(BEIJING), kind=event.kind, detail=event.detail)
            for event in trade.events
        ],
    )


def beijing(instant: datetime | None) -> datetime | None:
    return instant.astimezone(BEIJING) if instant else None


Limit = Annotated[int, Field(ge=1, le=1000)]
Offset = Annotated[int, Field(ge=0, le=10**9)]


class TradesIn(Schema):
    app_id: str = ""
    trade_status: str = ""
    limit: Limit = 100
    offset: Offset = 0


@api.get("/trades", response={200: TradesOut, **PROBLEMS}, tags=["trades"])
def list_trades(request: HttpRequest, wanted: Query[TradesIn]) -> Any:
    """Every trade that was ever asked for, the latest first."""
    found = Trade.objects.select_related("merchant", "buyer").prefetch_related("refunds")
    if wanted.app_id:
        found = found.filter(merchant__app_id=wanted.app_id)
    if wanted.trade_status:
        found = found.filter(status=wanted.trade_status)
    shown = found.order_by("-pk")[wanted.offset : wanted.offset + wanted.limit]
    items = [trade_out(request, trades.as_of_now(trade) or trade) for trade in shown]
    return {"items": items, "count": found.count()}


@api.get("/trades/{out_trade_no}", response={200: TradeOut, **PROBLEMS}, tags=["trades"])
def get_trade(request: HttpRequest, out_trade_no: str, app_id: str = "") -> Any:
    """One trade; 404 if it was never asked for."""
    return trade_out(request, the_trade(out_trade_no, app_id))


def the_trade(out_trade_no: str, app_id: str = "") -> Trade:
    """A trade by the merchant's number; two merchants may use the same."""
    found = Trade.objects.select_related("merchant", "buyer").filter(out_trade_no=out_trade_no)
    if app_id:
        found = found.filter(merchant__app_id=app_id)
    first, *others = found[:2] or [None]
    if first is None:
        raise Problem(404, "Not found", f"Nobody asked for a trade {out_trade_no[:64]!r}.")
    if others:
        raise Problem(409, "Ambiguous", "Several merchants use this number: say app_id.")
    return trades.as_of_now(first) or first


class BuyerIn(In):
    buyer: str = Field("", max_length=100, description="a test buyer's logon_id; usually the first")


def the_buyer(choice: BuyerIn | None) -> Buyer:
    wanted = choice.buyer if choice else ""
    buyers = Buyer.objects.order_by("pk")
    buyer = buyers.filter(logon_id=wanted).first() if wanted else buyers.first()
    if buyer is None:
        raise Problem(422, "Invalid request", f"There is no buyer {wanted!r}.")
    return buyer


@api.post("/trades/{out_trade_no}/scan", response={200: TradeOut, **PROBLEMS}, tags=["trades"])
def scan_trade(
    request: HttpRequest, out_trade_no: str, choice: BuyerIn | None = None, app_id: str = ""
) -> Any:
    """The buyer opens the trade: from now on it exists."""
    with change():
        trade = trades.scan(the_trade(out_trade_no, app_id), the_buyer(choice))
    return trade_out(request, trade)


@api.post("/trades/{out_trade_no}/pay", response={200: TradeOut, **PROBLEMS}, tags=["trades"])
def pay_trade(
    request: HttpRequest, out_trade_no: str, choice: BuyerIn | None = None, app_id: str = ""
) -> Any:
    """The buyer pays, opening the trade first if need be."""
    with change():
        trade = the_trade(out_trade_no, app_id)
        buyer = trade.buyer if trade.buyer and not choice else the_buyer(choice)
        trade = trades.pay(trade, buyer)
    return trade_out(request, trade)


class RefundIn(In):
    refund_amount: Annotated[
        str | None, Field(max_length=16, description="usually all that is left")
    ] = None
    out_request_no: Annotated[
        str, Field(max_length=64, description="usually a new one of Alipay's own")
    ] = ""
    refund_reason: Annotated[str, Field(max_length=256)] = ""


@api.post("/trades/{out_trade_no}/refund", response={200: TradeOut, **PROBLEMS}, tags=["trades"])
def refund_trade(
    request: HttpRequest, out_trade_no: str, wanted: RefundIn | None = None, app_id: str = ""
) -> Any:
    """The merchant sends money back in Alipay's console, and the shop did not ask for it."""
    wanted = wanted or RefundIn()
    with change():
        trade = the_trade(out_trade_no, app_id)
        trades.refund(
            trade,
            amount=amount_in(wanted.refund_amount, usually=trade.total - trade.refunded),
            out_request_no=wanted.out_request_no or number_of_the_console(),
            reason=wanted.refund_reason,
        )
    return trade_out(request, trade)


def amount_in(text: str | None, *, usually: int) -> int:
    if text is None:
        return usually
    amount = fen(text)
    if amount is None:
        raise Problem(422, "Invalid request", f"refund_amount: {text!r} is no amount in yuan.")
    return amount


def number_of_the_console() -> str:
    return f"{clock.now().astimezone(BEIJING):%Y%m%d%H%M%S}{secrets.randbelow(10**10):010d}"


# -- notices ---------------------------------------------------------------------------------------


class AttemptOut(Schema):
    at: datetime
    status: int | None = Field(description="null when nothing was answered")
    body: str
    error: str
    milliseconds: int


class NoticeOut(Schema):
    notify_id: str
    out_trade_no: str
    trade_no: str | None
    trade_status: str
    app_id: str
    notify_url: str
    state: str
    due_at: datetime | None
    fields: dict[str, str] = Field(description="as sent last, with its signature")
    attempts: list[AttemptOut]


class NoticesOut(Schema):
    items: list[NoticeOut]
    count: int


def notice_out(notice: Notice) -> NoticeOut:
    return NoticeOut(
        notify_id=notice.notify_id,
        out_trade_no=notice.trade.out_trade_no,
        trade_no=notice.trade.trade_no,
        trade_status=notice.trade_status,
        app_id=notice.trade.merchant.app_id,
        notify_url=notice.url,
        state=notice.state,
        due_at=beijing(notice.due_at),
        fields=notices.last_sent(notice),
        attempts=[
            AttemptOut(
                at=attempt.at.astimezone(BEIJING),
                status=attempt.status,
                body=attempt.body,
                error=attempt.error,
                milliseconds=attempt.milliseconds,
            )
            for attempt in notice.attempts.all()
        ],
    )


class NoticesIn(Schema):
    out_trade_no: str = ""
    app_id: str = ""
    state: str = ""
    limit: Limit = 100
    offset: Offset = 0


@api.get("/notices", response={200: NoticesOut, **PROBLEMS}, tags=["notices"])
def list_notices(request: HttpRequest, wanted: Query[NoticesIn]) -> Any:
    """Notices in the order they were made, with every attempt."""
    found = Notice.objects.select_related("trade__merchant", "trade__buyer")
    if wanted.out_trade_no:
        found = found.filter(trade__out_trade_no=wanted.out_trade_no)
    if wanted.app_id:
        found = found.filter(trade__merchant__app_id=wanted.app_id)
    if wanted.state:
        found = found.filter(state=wanted.state)
    shown = found.order_by("pk").prefetch_related("attempts")
    shown = shown[wanted.offset : wanted.offset + wanted.limit]
    return {"items": [notice_out(notice) for notice in shown], "count": found.count()}


class SendIn(In):
    times: int = Field(1, ge=1, le=100)
    at_once: bool = Field(False, description="all at the same time, to race each other")


def the_notice(notify_id: str) -> Notice:
    found = Notice.objects.select_related("trade__merchant", "trade__buyer")
    notice = found.filter(notify_id=notify_id).first()
    if notice is None:
        raise Problem(404, "Not found", f"There is no notice {notify_id[:128]!r}.")
    return notice


@api.post("/notices/{notify_id}/send", response={200: NoticeOut, **PROBLEMS}, tags=["notices"])
def send_notice(request: HttpRequest, notify_id: str, wanted: SendIn | None = None) -> Any:
    """Send a notice again now, whatever became of it before."""
    times, at_once = (wanted.times, wanted.at_once) if wanted else (1, False)
    notifier.send(the_notice(notify_id), times=times, at_once=at_once)
    return notice_out(the_notice(notify_id))


Name = Annotated[str, Field(min_length=1, max_length=64)]
Value = Annotated[str, Field(max_length=4000)]


class ForgeIn(In):
    out_trade_no: str = Field(max_length=64)
    fields: dict[Name, Value | None] = Field(
        default_factory=dict, description="override, or when null remove"
    )
    sign_with: Literal["alipay", "stranger", "none"] = "alipay"
    extra: list[tuple[str, str]] = Field(
        default_factory=list, max_length=100, description="sent too, unsigned: doubled names, say"
    )
    charset: Literal["utf-8", "gbk"] = "utf-8"
    notify_url: str = Field("", max_length=256, description="usually the trade's own")
    app_id: str = Field("", max_length=32)


class ForgeOut(Schema):
    status: int | None
    body: str
    error: str
    fields: dict[str, str]


@api.post("/forge", response={200: ForgeOut, **PROBLEMS}, tags=["notices"])
def forge(request: HttpRequest, wanted: ForgeIn) -> Any:
    """Send the merchant a notice made to order, at once; tell what it said.

    What is not given is as in the notice of a payment of that trade.
    """
    trade = forged_trade(wanted.out_trade_no, wanted.app_id)
    url = wanted.notify_url or trade.notify_url
    if not url:
        raise Problem(409, "Nowhere to send", "The trade has no notify_url: say one.")
    kept = overridden(notices.forged_fields(trade), wanted.fields)
    if wanted.sign_with != "none":
        app_id = trade.merchant.app_id
        is_real = wanted.sign_with == "alipay"
        key = keyring.alipay_key(app_id) if is_real else keyring.stranger_key()
        sign = wire.signature(wire.message_string(kept), key, charset=wanted.charset)
        kept = overridden({"sign_type": "RSA2", "sign": sign, **kept}, wanted.fields)
    sent = wire.form([*kept.items(), *wanted.extra], wanted.charset)
    reply = notifier.post(url, sent.encode(), wanted.charset)
    return {"status": reply.status, "body": reply.body, "error": reply.error, "fields": kept}


def overridden(fields: dict[str, str], by: dict[str, str | None]) -> dict[str, str]:
    """Fields with others in their place; null takes one away."""
    return {name: value for name, value in {**fields, **by}.items() if value is not None}


def forged_trade(out_trade_no: str, app_id: str) -> Trade:
    """A trade as if it had been paid; one that nobody asked for is made up."""
    try:
        trade = the_trade(out_trade_no, app_id)
    except Problem as problem:
        merchants = Merchant.objects.order_by("pk")
        merchant = merchants.filter(app_id=app_id).first() if app_id else merchants.first()
        if problem.status != 404 or merchant is None:
            raise
        latest = Trade.objects.filter(merchant=merchant).exclude(notify_url="").last()
        trade = Trade(
            merchant=merchant,
            out_trade_no=out_trade_no,
            product="page",
            total=1,
            subject="forged",
            notify_url=latest.notify_url if latest else "",
        )
    now = clock.now()
    trade.trade_no = trade.trade_no or f"{now:%Y%m%d}22001{'9' * 15}"
    trade.buyer = trade.buyer or the_buyer(None)
    trade.created_at, trade.paid_at = trade.created_at or now, trade.paid_at or now
    trade.closed_at, trade.status = None, TradeStatus.TRADE_SUCCESS
    return trade


@api.get("/notify-policy", response={200: NotifyPolicy, **PROBLEMS}, tags=["notices"])
def get_notify_policy(request: HttpRequest) -> Any:
    """What happens to the notices that are made from now on."""
    return rules.policy


@api.put("/notify-policy", response={200: NotifyPolicy, **PROBLEMS}, tags=["notices"])
def put_notify_policy(request: HttpRequest, policy: NotifyPolicy) -> Any:
    """Set what happens to the notices that are made from now on; what is left out is usual."""
    with change():
        return rules.change_policy(policy)


# -- faults ----------------------------------------------------------------------------------------


class FaultOut(FaultIn):
    model_config = ConfigDict(from_attributes=True)
    used: int


class FaultsIn(In):
    items: list[FaultIn] = Field(max_length=1000)


def one_or_many(given: Any) -> str:
    is_many = isinstance(given, FaultsIn) or (isinstance(given, dict) and "items" in given)
    return "many" if is_many else "one"


OneOrMany = Annotated[
    Annotated[FaultsIn, Tag("many")] | Annotated[FaultIn, Tag("one")],
    Discriminator(one_or_many),
]


class FaultsOut(Schema):
    items: list[FaultOut]


def all_faults() -> dict[str, Any]:
    return {"items": list(Fault.objects.all())}


@api.get("/faults", response={200: FaultsOut, **PROBLEMS}, tags=["faults"])
def get_faults(request: HttpRequest) -> Any:
    """What is made to go wrong, and how often it did."""
    return all_faults()


@api.put("/faults", response={200: FaultsOut, **PROBLEMS}, tags=["faults"])
def put_faults(request: HttpRequest, wanted: Body[OneOrMany]) -> Any:
    """These faults and no others; one, or a list of ``items``. The first that fits a call is it."""
    faults.replace(wanted.items if isinstance(wanted, FaultsIn) else [wanted])
    return all_faults()


@api.post("/faults", response={200: FaultsOut, **PROBLEMS}, tags=["faults"])
def post_fault(request: HttpRequest, wanted: FaultIn) -> Any:
    """This fault too."""
    faults.add([wanted])
    return all_faults()


@api.delete("/faults", response={200: FaultsOut, **PROBLEMS}, tags=["faults"])
def delete_faults(request: HttpRequest) -> Any:
    """Nothing goes wrong any more."""
    faults.replace([])
    return all_faults()


# -- the clock -------------------------------------------------------------------------------------


class ClockIn(In):
    advance: float | None = Field(None, ge=0, le=20 * 31_536_000, description="seconds")
    to: datetime | None = Field(
        None, description="an instant: RFC 3339, or Beijing time as 2026-01-02 03:04:05"
    )
    mode: Literal["real", "frozen", "scaled"] | None = None
    scale: float | None = Field(None, gt=0, le=1_000_000, description="of scaled time")


class ClockOut(Schema):
    now: datetime
    real: datetime
    mode: str
    scale: float
    done: int = Field(0, description="how many things fell due on the way")


def clock_out(done: int = 0) -> dict[str, Any]:
    return {
        "now": clock.now(),
        "real": real_now(),
        "mode": clock.mode,
        "scale": clock.rate,
        "done": done,
    }


@api.get("/clock", response={200: ClockOut, **PROBLEMS}, tags=["clock"])
def get_clock(request: HttpRequest) -> Any:
    """What time it is here."""
    return clock_out()


@api.post("/clock", response={200: ClockOut, **PROBLEMS}, tags=["clock"])
def post_clock(request: HttpRequest, wanted: ClockIn) -> Any:
    """Turn the clock forward, or set how fast it goes.

    Everything that falls due on the way has happened, in order, when this answers: expiries,
    refund windows, notices with all their attempts.
    """
    target = instant_in(wanted)
    if wanted.mode is not None:
        rate = {"real": 1.0, "frozen": 0.0, "scaled": wanted.scale or 60.0}[wanted.mode]
        with change():
            clock.set(clock.now(), rate)
            remember_clock()
    done = 0
    if target is not None:
        done = notifier.notifier.advance(target)
    elif wanted.advance is not None:
        step = timedelta(seconds=wanted.advance)
        done = notifier.notifier.advance(step)
    news.set()
    return clock_out(done)


def instant_in(wanted: ClockIn) -> datetime | None:
    if wanted.to is None:
        return None
    instant = wanted.to if wanted.to.tzinfo else wanted.to.replace(tzinfo=BEIJING)
    if instant < clock.now():
        raise Problem(422, "Invalid request", "to: the clock is turned forward only; see reset")
    return instant


# -- merchants, buyers, settings -------------------------------------------------------------------


class MerchantOut(Schema):
    app_id: str
    seller_id: str
    name: str
    balance: str
    app_public_key: str
    alipay_public_key: str
    alipay_public_key_bare: str = Field(description="on one line, as Alipay's console shows it")


class MerchantIn(In):
    app_id: str = Field(pattern=r"^\d{1,32}$")
    seller_id: str = Field(pattern=r"^2088\d{12}$")
    name: str = Field("", max_length=64)
    app_public_key: str = Field(max_length=4000, description="PEM, or the bare base64 line")


class MerchantChange(In):
    balance: str | None = Field(None, pattern=r"^\d{1,12}\.\d\d$")
    name: str | None = Field(None, max_length=64)
    app_public_key: str | None = Field(None, max_length=4000)


def merchant_out(merchant: Merchant) -> MerchantOut:
    pem = keyring.alipay_public_pem(merchant.app_id)
    return MerchantOut(
        app_id=merchant.app_id,
        seller_id=merchant.seller_id,
        name=merchant.name,
        balance=yuan(merchant.balance),
        app_public_key=merchant.app_public_key,
        alipay_public_key=pem,
        alipay_public_key_bare=wire.bare(pem),
    )


class MerchantsOut(Schema):
    items: list[MerchantOut]


@api.get("/merchants", response={200: MerchantsOut, **PROBLEMS}, tags=["merchants"])
def list_merchants(request: HttpRequest) -> Any:
    """The apps that may call the gateway, and the keys that belong to them."""
    return {"items": [merchant_out(merchant) for merchant in Merchant.objects.order_by("pk")]}


def readable_key(text: str) -> str:
    try:
        return wire.public_pem(wire.public_key(text))
    except ValueError:
        raise Problem(422, "Invalid request", "app_public_key: not an RSA public key") from None


@api.post("/merchants", response={201: MerchantOut, **PROBLEMS}, tags=["merchants"])
def add_merchant(request: HttpRequest, wanted: MerchantIn) -> Any:
    """A further app, with its own keys; the answer holds Alipay's public key for it."""
    pem = readable_key(wanted.app_public_key)
    taken = models.Q(app_id=wanted.app_id) | models.Q(seller_id=wanted.seller_id)
    with change():
        if Merchant.objects.filter(taken).exists():
            raise Problem(409, "Taken", "This app_id or seller_id is a merchant's already.")
        merchant = Merchant.objects.create(
            app_id=wanted.app_id,
            seller_id=wanted.seller_id,
            name=wanted.name or f"App {wanted.app_id}",
            app_public_key=pem,
        )
        accounts.forget()
    return Status(201, merchant_out(merchant))


@api.patch("/merchants/{app_id}", response={200: MerchantOut, **PROBLEMS}, tags=["merchants"])
def change_merchant(request: HttpRequest, app_id: str, wanted: MerchantChange) -> Any:
    """Set a merchant's balance, name or public key."""
    pem = readable_key(wanted.app_public_key) if wanted.app_public_key else None
    with change():
        merchant = Merchant.objects.filter(app_id=app_id).first()
        if merchant is None:
            raise Problem(404, "Not found", f"There is no app {app_id[:32]!r}.")
        if wanted.balance is not None:
            merchant.balance = int(wanted.balance.replace(".", ""))
        merchant.name = wanted.name or merchant.name
        merchant.app_public_key = pem or merchant.app_public_key
        merchant.save()
        accounts.forget()
    return merchant_out(merchant)


class BuyerOut(Schema):
    logon_id: str
    password: str
    user_id: str


class BuyersOut(Schema):
    items: list[BuyerOut]


@api.get("/buyers", response={200: BuyersOut, **PROBLEMS}, tags=["merchants"])
def list_buyers(request: HttpRequest) -> Any:
    """The test buyers; the first is the usual one."""
    return {"items": list(Buyer.objects.order_by("pk"))}


@api.get("/settings", response={200: Behaviour, **PROBLEMS}, tags=["settings"])
def get_settings(request: HttpRequest) -> Any:
    """How this Alipay behaves where sources disagree."""
    return rules.behaviour


@api.patch("/settings", response={200: Behaviour, **PROBLEMS}, tags=["settings"])
def patch_settings(request: HttpRequest, changes: Behaviour) -> Any:
    """Change what is given; the others stay."""
    with change():
        return rules.change_behaviour(changes.model_dump(exclude_unset=True))


def plain(reason: ValueError) -> str:
    """Pydantic's findings, one after the other."""
    errors = getattr(reason, "errors", None)
    if errors is None:
        return str(reason)
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in errors())


# -- the whole -------------------------------------------------------------------------------------


class RequestOut(Schema):
    model_config = ConfigDict(from_attributes=True)
    number: int
    at: datetime
    verb: str
    app_id: str
    method: str
    out_trade_no: str
    verdict: str
    fault: str
    milliseconds: float
    parameters: dict[str, str]
    string_verified: str
    string_signed: str


class RequestsOut(Schema):
    items: list[RequestOut]


@api.get("/requests", response={200: RequestsOut, **PROBLEMS}, tags=["sandbox"])
def list_requests(request: HttpRequest, limit: Annotated[int, Field(ge=1, le=500)] = 50) -> Any:
    """The last gateway requests, the latest first, with the strings that were signed."""
    return {"items": requests.last(limit)}


class AboutOut(Schema):
    version: str
    address: str
    gateway: str
    app_id: str
    seller_id: str
    keys: str


@api.get("/about", response={200: AboutOut, **PROBLEMS}, tags=["sandbox"])
def about(request: HttpRequest) -> Any:
    """Who this is and how to reach it."""
    address = request.build_absolute_uri("/").rstrip("/")
    return {
        "version": __version__,
        "address": address,
        "gateway": f"{address}/gateway.do",
        "app_id": options.app_id,
        "seller_id": options.seller_id,
        "keys": str(options.keys),
    }


@api.post("/reset", response={200: ClockOut, **PROBLEMS}, tags=["sandbox"])
def reset(request: HttpRequest) -> Any:
    """Forget trades, notices, faults and settings; the clock is real again. Keys stay."""

    def forget_all() -> None:
        forget(options.time_scale)
        faults.load()

    notifier.notifier.at_rest(forget_all)
    return clock_out()
