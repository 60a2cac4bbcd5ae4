"""How this Alipay behaves where sources disagree, and how badly it is told to behave.

``Behaviour`` has one field for every uncertainty of the protocol, its documented value first.
``NotifyPolicy`` is what happens to notices from now on. Both live in the database and, because one
process serves everything, in one object here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, get_args

from django.utils.translation import gettext_noop as _
from pydantic import BaseModel, ConfigDict, Field

from .models import StoredValue

State = Literal["WAIT_BUYER_PAY", "TRADE_SUCCESS", "TRADE_CLOSED", "TRADE_FINISHED"]
Product = Literal["page", "wap", "precreate"]
Triggers = dict[State, bool]

LADDERS: dict[str, list[float]] = {
    "A": [240, 600, 600, 3600, 7200, 21600, 54000],
    "B": [120, 600, 600, 3600, 7200, 21600, 54000],
}

Gap = Annotated[float, Field(ge=0, le=31_536_000)]


def triggers_for(*states: State) -> Triggers:
    """A row of the table of triggers."""
    return {state: state in states for state in get_args(State)}


def usual_triggers() -> dict[Product, Triggers]:
    return {
        "page": triggers_for("TRADE_SUCCESS"),
        "wap": triggers_for("TRADE_SUCCESS", "TRADE_CLOSED"),
        "precreate": triggers_for("TRADE_SUCCESS"),
    }


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class NotifyPolicy(Strict):
    """What happens to the notices that are made from now on."""

    drop: bool | Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        False, description="true: every notice is lost; a number: so many of the next ones"
    )
    delay: Annotated[float, Field(ge=0, le=31_536_000)] = Field(
        0, description="seconds of the sandbox's clock before the first attempt"
    )
    duplicate: bool | Annotated[int, Field(ge=0, le=100)] = Field(
        False, description="so many further copies of each, with the same notify_id; true: one"
    )
    shuffle: bool = Field(
        False, description="each waits up to three seconds more, so that they overtake each other"
    )


class Behaviour(Strict):
    """Every setting where sources disagree or merchants differ."""

    ladder: Literal["A", "B"] | Annotated[list[Gap], Field(max_length=50)] = Field(
        "A",
        description=_(
            "gaps between attempts: A 4m 10m 10m 1h 2h 6h 15h, B begins with 2m; "
            "or seconds of your own"
        ),
    )
    notify_timeout: float = Field(5, gt=0, le=60, description=_("seconds a merchant has to answer"))
    notify_everything: bool = Field(False, description=_("every state of every product is told"))
    notify_triggers: dict[Product, Triggers] = Field(
        default_factory=usual_triggers,
        description=_("which states are told, per product; what is left out is not told"),
    )
    timestamp_skew: Annotated[int, Field(ge=0)] | None = Field(
        1800, description=_("seconds a request's timestamp may be off real time; null: not checked")
    )
    time_expire_at_least: Annotated[int, Field(ge=0, le=3600)] = Field(
        0, description=_("seconds ahead that time_expire must lie; the documents say 60")
    )
    refund_window: Annotated[int, Field(ge=0, le=3660)] = Field(
        365, description=_("days until TRADE_FINISHED; 0: the product cannot be refunded")
    )
    refund_when_closed: Literal["TRADE_HAS_CLOSE", "REASON_TRADE_STATUS_INVALID"] = Field(
        "TRADE_HAS_CLOSE", description=_("a new refund of a completely refunded trade")
    )
    refund_too_much: Literal["REASON_TRADE_REFUND_FEE_ERR", "REFUND_AMT_NOT_EQUAL_TOTAL"] = Field(
        "REASON_TRADE_REFUND_FEE_ERR", description=_("a refund above what is left")
    )
    out_biz_no: Literal["out_trade_no", "trade_no"] = Field(
        "out_trade_no", description=_("in a refund's notice when no out_request_no was sent")
    )
    gateway_errors: Literal["node", "error_response"] = Field(
        "node", description=_("where a gateway's own error stands once the app is known")
    )
    sign_gateway_errors: bool = Field(True, description=_("whether those are signed"))
    content_type: Literal["text/html", "application/json"] = Field(
        "text/html", description=_("of the gateway's answers")
    )
    allow_rsa: bool = Field(False, description=_("accept sign_type RSA (SHA-1), as old apps may"))
    strict_out_trade_no: bool = Field(
        False, description=_("refuse '-' in out_trade_no, as documented though not as seen")
    )
    strict_subject: bool = Field(
        True, description=_("refuse / = & and emoji in subject, as documented")
    )
    amounts_in_query: Literal["paid", "zero"] = Field(
        "paid",
        description=_("buyer_pay_amount and the like in trade.query; Alipay's sandbox says 0"),
    )
    buyer_identity: Literal["user_id", "open_id"] = Field(
        "user_id",
        description=_("how the buyer is named: buyer_id or, for newer apps, buyer_open_id"),
    )
    qr_address: Literal["sandbox", "alipay"] = Field(
        "sandbox",
        description=_("precreate's qr_code: an address of this machine, or qr.alipay.com"),
    )
    cancel_same_day: bool = Field(True, description=_("trade.cancel only on the day of the trade"))
    fee_rate: Decimal = Field(
        Decimal("0.006"), ge=0, le=Decimal("0.5"), description=_("Alipay's fee")
    )
    bills: bool = Field(True, description=_("bills exist; Alipay's sandbox has none"))
    bill_ready_at: str = Field(
        "09:00",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description=_("yesterday's bill, Beijing time"),
    )
    bill_error_prefix: Literal["isp.", "isv.", ""] = Field(
        "isp.", description=_("before BILL_NOT_EXIST and the like")
    )
    bill_newline: Literal["crlf", "lf"] = Field("crlf", description=_("line ends of the CSV files"))

    @property
    def gaps(self) -> list[float]:
        """The seconds between one attempt and the next."""
        return LADDERS[self.ladder] if isinstance(self.ladder, str) else self.ladder

    def announces(self, product: str, status: str) -> bool:
        """Say whether a merchant hears of that state."""
        triggers: dict[str, bool] = dict(self.notify_triggers.get(product, {}))  # type: ignore[call-overload]
        return self.notify_everything or triggers.get(status, False)


class Rules:
    """The behaviour and the policy in force."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.defaults = Behaviour()
        self.policy = NotifyPolicy()

    def load(self, defaults: Behaviour) -> None:
        """Remember what was set before; what was never set is as the start said."""
        self.defaults = defaults
        kept = dict(StoredValue.objects.values_list("name", "value"))
        self.behaviour = Behaviour(**{**defaults.model_dump(), **kept.get("behaviour", {})})
        self.policy = NotifyPolicy(**kept.get("policy", {}))

    def change_behaviour(self, changes: dict) -> Behaviour:
        """Set some of it, for good."""
        new = Behaviour(**{**self.behaviour.model_dump(), **changes})
        told = new.model_dump(mode="json")
        usual = self.defaults.model_dump(mode="json")
        differing = {name: value for name, value in told.items() if value != usual[name]}
        StoredValue.store("behaviour", differing)
        self.behaviour = new
        return new

    def change_policy(self, policy: NotifyPolicy) -> NotifyPolicy:
        """Treat notices so from now on."""
        StoredValue.store("policy", policy.model_dump())
        self.policy = policy
        return policy

    def reset(self) -> None:
        """Back to how the process was started."""
        StoredValue.objects.filter(name__in=["behaviour", "policy"]).delete()
        self.behaviour, self.policy = self.defaults, NotifyPolicy()


rules = Rules()
