"""What happens when Alipay notifies us.

Alipay POSTs the outcome of a trade to ``notify_url`` and repeats the call for about a day, until
the answer is the seven letters ``success``. The caller is Alipay, not the buyer's browser: there
is no session and no CSRF token, and nothing is believed before the signature has been checked.

    1. verify   the signature, with Alipay's public key, and that it is a notice
    2. store    the call as it came, before it is acted on; of what Alipay did not sign, a sample
    3. check    that it is for our app and our account
    4. match    the payment by out_trade_no, and its amount
    5. settle   that payment, once, however often the call comes
    6. answer   "success": do not call again

Whatever fails a check is answered "failure", and books nothing. Each repeat is then a free chance
to have mended the fault.

https://opendocs.alipay.com/open/270/105902
"""

import logging
from collections.abc import Mapping
from urllib.parse import parse_qsl

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from core.body_limits import BODY_LIMITS
from payments import alipay
from payments.exceptions import AlipayTrouble, NoticeAccepted, NoticeStillRefused, Refused
from payments.models.notice import MAX_WORD, Notice
from payments.models.payment import Payment
from payments.models.refund import MAX_OUT_REQUEST_NO
from payments.query import ask
from payments.refunds import import_refund, look_again
from users.models import User

logger = logging.getLogger(__name__)

# A notice has about 30 fields and 1.5 KB; Alipay's longest fields come to less than this.
MAX_BYTES = BODY_LIMITS["/payments/alipay/notify"] = 64 * 1024
MAX_FIELDS = 200
# What marks the notice of a refund, which comes with the trade_status of a payment.
REFUND_FIELDS = ("refund_fee", "gmt_refund", "out_biz_no")


@csrf_exempt
@require_POST
def notify(request: HttpRequest) -> HttpResponse:
    try:
        notice, fields = store(request)
        verdict = judge(notice, fields)
    except Refused as refusal:
        logger.warning("Alipay notice refused: %s", refusal)
        return HttpResponse("failure", status=400, content_type="text/plain")
    logger.info("Alipay notice %s of %s: %s", notice.notify_id, notice.out_trade_no, verdict)
    return HttpResponse("success", content_type="text/plain")


# Whatever is refused here is answered "failure".
notify.refuses_large_bodies = True  # type: ignore[attr-defined]


def replay(notice: Notice, *, by: User) -> str:
    """Judge a stored call anew, as if Alipay called again; return the verdict.

    It is for one that was refused for a fault that has been mended, or that the shop died over.
    Raise NoticeAccepted when there is nothing to mend, and NoticeStillRefused.
    """
    if not notice.is_replayable:
        raise NoticeAccepted
    try:
        verdict = judge(notice, verified_fields(notice.raw), by=by)
    except Refused as refusal:
        notice.record_verdict(Notice.Verdict.REFUSED, reason=str(refusal))
        raise NoticeStillRefused(refusal) from None
    logger.info("Alipay notice %s replayed by %s: %s", notice.notify_id, by, verdict)
    return verdict


def judge(notice: Notice, fields: Mapping[str, str], *, by: User | None = None) -> str:
    """Do what a stored call asks for; return the verdict, or raise Refused.

    ``by`` is the operator who replays it.
    """
    notice.is_genuine = True
    try:
        return act_upon(notice, fields, by=by)
    except Refused as refusal:
        notice.record_verdict(Notice.Verdict.REFUSED, reason=str(refusal))
        raise


def store(request: HttpRequest) -> tuple[Notice, dict[str, str]]:
    """Keep the call as it came, and return it with its fields.

    Raise Refused when Alipay did not sign it, having kept a sample; one that is too large to be a
    notice is refused at once.
    """
    if int(request.headers.get("Content-Length") or 0) > MAX_BYTES:
        raise Refused("size", f"more than {MAX_BYTES} bytes")
    # What Alipay sends is percent-encoded, hence ASCII; PostgreSQL keeps no NUL.
    raw = request.body.decode("ascii", errors="backslashreplace").replace("\0", r"\x00")
    try:
        fields = verified_fields(raw)
    except Refused as refusal:
        Notice.objects.keep_sample(raw, reason=str(refusal))
        raise
    return Notice.objects.create(raw=raw), fields


def verified_fields(raw: str) -> dict[str, str]:
    """Return what Alipay signed, as a notice; otherwise raise Refused.

    A *return* is signed by the same key and rule; only ``notify_type`` tells it apart.
    """
    fields = alipay.verified(parse_form(raw))
    if fields.get("notify_type") != "trade_status_sync":
        raise Refused("notify_type")
    return fields


def parse_form(raw: str) -> dict[str, str]:
    """Decode the form, once and strictly: what Alipay signed has one value a name, in UTF-8."""
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        raise Refused("charset", "not UTF-8") from None
    except ValueError:
        raise Refused("fields", f"more than {MAX_FIELDS}") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Refused("fields", "a name comes twice")
    return fields


def act_upon(notice: Notice, fields: Mapping[str, str], *, by: User | None) -> str:
    """Do what a genuine notice asks for, and return the verdict; both or neither are written."""
    for name in ("notify_id", "out_trade_no", "trade_no", "trade_status"):
        setattr(notice, name, fields.get(name, "")[:MAX_WORD])
    check(fields)
    trade = alipay.read_trade(fields)
    notice.total_amount = trade.total_amount
    payment = matching_payment(trade)
    if any(name in fields for name in REFUND_FIELDS):
        verdict = acknowledge_refund(payment, fields)
        notice.record_verdict(verdict, payment=payment, by=by)
        return verdict
    evidence = f"notify_id {notice.notify_id}"
    with transaction.atomic():
        if trade.trade_status == "TRADE_CLOSED":
            payment.match(trade)
            is_first = payment.close(evidence=evidence)
            news = Notice.Verdict.CLOSED
        else:
            is_first = payment.settle(trade, evidence=evidence)
            news = Notice.Verdict.SETTLED
        verdict = news if is_first else Notice.Verdict.REPEATED
        notice.record_verdict(verdict, payment=payment, by=by)
    return verdict


def check(fields: Mapping[str, str]) -> None:
    """Raise Refused unless this is a notice about a payment to us: a signature is not enough."""
    expected = {
        "app_id": settings.ALIPAY_APP_ID,
        "seller_id": settings.ALIPAY_SELLER_ID,
    }
    for name, value in expected.items():
        if fields.get(name) != value:
            raise Refused(name)


def matching_payment(trade: alipay.Trade) -> Payment:
    try:
        return Payment.objects.get(out_trade_no=trade.out_trade_no)
    except Payment.DoesNotExist:
        raise Refused("out_trade_no", "unknown") from None


def acknowledge_refund(payment: Payment, fields: Mapping[str, str]) -> str:
    """Let Alipay tell of a refund, and return the verdict; `payments.refunds` books it.

    It comes with the trade_status of a payment and must never be booked as one. One that the shop
    asked for is followed by the worker, or looked at again if it failed; one that was made in
    Alipay's own console is imported after Alipay, asked, has said how much it was. Raise Refused
    when that cannot be.
    """
    out_request_no = fields.get("out_biz_no", "")
    try:
        if known := payment.refunds.filter(out_request_no=out_request_no).first():
            look_again(known)
            return Notice.Verdict.REFUND
        if not 0 < len(out_request_no) <= MAX_OUT_REQUEST_NO:
            raise Refused("refund", "no out_biz_no")
        if payment.status == Payment.Status.PENDING:
            ask(payment)  # the notice of its payment is late, or lost
        import_refund(payment, out_request_no=out_request_no)
    except AlipayTrouble as trouble:
        raise Refused("refund", str(trouble)) from None
    return Notice.Verdict.IMPORTED
