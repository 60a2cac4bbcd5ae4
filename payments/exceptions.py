"""What Alipay, or somebody in its name, may do to us.

Exception
├── AlipayTrouble
│   ├── AlipaySaysNo        a signed answer: not done, and why (``sub_code``)
│   └── ResultUnknown       no answer, or none that can be believed: ask again
└── Refused                 evidence that books nothing; ``check`` names what it failed

Problem
├── OrderNotPayable         paid, cancelled or too late
├── CancelLater             Alipay does not say whether the order was paid
├── AskLater                Alipay does not say, when an operator asks
├── NothingToAsk            Alipay has said already what became of it
├── PayLater                Alipay does not say, or cannot be reached, for a way to pay
├── QRNotOffered            this shop does not take that way
├── RefundTooHigh           more than is left of what was paid
├── RefundNotWaiting        somebody approved or declined it already
├── SecondOperatorNeeded    whoever asked for a refund, or is behind who did, cannot approve it
├── OwnOrder                nobody refunds what they bought themselves
├── RefundNotFailed         only one that failed is tried again
├── NoticeAccepted          there is nothing to mend by replaying it
└── NoticeStillRefused      replayed, and refused again
"""

from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from core.money import yuan
from core.problems import Problem


class AlipayTrouble(Exception):
    pass


class AlipaySaysNo(AlipayTrouble):
    def __init__(self, sub_code: str, sub_msg: str = "") -> None:
        self.sub_code = sub_code
        super().__init__(f"{sub_code} {sub_msg}".strip())


class ResultUnknown(AlipayTrouble):
    pass


class Refused(Exception):
    """``check`` is the word by which the log and the admin find the reason."""

    def __init__(self, check: str, detail: str = "") -> None:
        self.check = check
        super().__init__(f"{check}: {detail}" if detail else check)


class OrderNotPayable(Problem):
    status, slug = 409, "order-not-payable"
    title = _("This order cannot be paid any more")
    detail = _("It has been paid or cancelled, or its time is over.")


class CancelLater(Problem):
    status, slug = 503, "cancel-later"
    title = _("Alipay does not answer just now")
    detail = _(
        "Whether this order has been paid cannot be known at the moment, so it was not "
        "cancelled. Please try again in a minute."
    )


class AskLater(Problem):
    status, slug = 503, "ask-later"
    title = _("Alipay gives no clear answer just now")
    detail = _("Nothing was changed; the shop goes on asking by itself.")


class NothingToAsk(Problem):
    status, slug = 409, "nothing-to-ask"
    title = _("There is nothing to ask Alipay about")
    detail = _("No attempt to pay is open: Alipay has said what became of each.")


class PayLater(Problem):
    status, slug = 503, "pay-later"
    title = _("Alipay does not answer just now")
    detail = _("Nothing was charged. Please try again in a minute.")


class QRNotOffered(Problem):
    status, slug = 409, "qr-not-offered"
    title = _("No QR code here")
    detail = _("This shop does not offer to pay by QR code. Please pay with Alipay's page.")


class RefundTooHigh(Problem):
    status, slug = 409, "refund-too-high"
    title = _("That is more than can go back")

    def __init__(self, *, left: Decimal) -> None:
        words = _("At most {left} can go back.").format(left=yuan(left))
        super().__init__(words, errors={"amount": [words]})


class NothingToRefund(Problem):
    status, slug = 409, "nothing-to-refund"
    title = _("There is nothing to refund")
    detail = _("No money came in for this order, or what came too late goes back by itself.")


class AnotherRefund(Problem):
    status, slug = 409, "another-refund"
    title = _("Another refund was asked for meanwhile")
    detail = _("Look at this payment's refunds, and ask again if this one is still needed.")


class KeyInvalid(Problem):
    status, slug = 400, "idempotency-key-invalid"
    title = _("This Idempotency-Key cannot be used")
    detail = _("Send 1 to 255 visible ASCII characters, such as a UUID.")


class KeyUsed(Problem):
    status, slug = 422, "idempotency-key-used"
    title = _("This Idempotency-Key was used for another refund")
    detail = _("Send a new key with each new refund, and the same one only to repeat a request.")


class RefundNotWaiting(Problem):
    status, slug = 409, "refund-not-waiting"
    title = _("This refund does not wait for approval")
    detail = _("Somebody has approved or declined it already.")


class SecondOperatorNeeded(Problem):
    status, slug = 403, "second-operator-needed"
    title = _("A second operator must approve")
    detail = _(
        "Whoever asked for a refund cannot approve it, nor can an account that they made or "
        "changed within the last seven days, or that made or changed theirs, or that the same "
        "person made or changed."
    )


class OwnOrder(Problem):
    status, slug = 403, "own-order"
    title = _("This order is your own")
    detail = _("Somebody else of the staff must decide about its money.")


class RefundNotFailed(Problem):
    status, slug = 409, "refund-not-failed"
    title = _("This refund did not fail")
    detail = _("Only a refund that failed can be tried again.")


class NoticeAccepted(Problem):
    status, slug = 409, "notice-accepted"
    title = _("This notice was accepted already")
    detail = _("Only one that was refused, or that was never judged, can be replayed.")


class NoticeStillRefused(Problem):
    status, slug = 409, "notice-still-refused"
    title = _("This notice was refused again")

    def __init__(self, refusal: Refused) -> None:
        super().__init__(_("It failed this check: {check}").format(check=refusal))
