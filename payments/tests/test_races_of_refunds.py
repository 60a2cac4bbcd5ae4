"""Two at once at one payment's refunds: operators, workers, Alipay's console and its notices.

The races are run as in `test_races`: the first is stopped between two steps, where the second does
its work. However they end, no fen goes back twice, and the books are those of Alipay.
"""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from core.problems import Problem
from orders.models import Order
from payments import alipay, journal, refunds
from payments.models.payment import Payment
from payments.models.refund import Refund
from payments.tests.test_expiry import let_time_pass, tick
from payments.tests.test_notify import post
from payments.tests.test_races import TOTAL, Case, begin, case, names, race  # noqa: F401
from users.models import User

pytestmark = pytest.mark.slow

Side = Callable[[Case], None]

BIG, SMALL = Decimal("15.00"), Decimal("6.00")  # together more than was paid
PART = Decimal("5.00")


def ask_for(case: Case, amount: Decimal) -> Refund:  # noqa: F811
    return refunds.request_refund(case.payment, amount=amount, by=case.operator)


def second_operator() -> User:
    return User.objects.get_or_create(username="second")[0]


def the_one() -> Refund:
    return Refund.objects.order_by("id")[0]


def send_what_is_due(case: Case) -> None:  # noqa: F811
    Refund.objects.filter(due_at__isnull=False).update(due_at="2000-01-01T00:00Z")
    refunds.send_what_is_due()


def assert_books(case: Case) -> dict[str, str]:  # noqa: F811
    """The books are Alipay's, to the fen; return its refunds by their numbers."""
    trade = case.trade()
    given_back = {each["out_request_no"]: each["refund_amount"] for each in trade["refunds"]}
    kept = TOTAL - Decimal(trade["refund_fee"])
    done = Refund.objects.filter(status="DONE")
    assert {refund.out_request_no: str(refund.amount) for refund in done} == given_back
    assert len(given_back) == len(trade["refunds"])
    assert journal.balance(journal.Account.ALIPAY) == kept
    assert Order.objects.get().status == ("PAID" if kept else "REFUNDED")
    assert Payment.objects.get().status == ("PAID" if kept else "REFUNDED")
    assert not Refund.objects.exclude(due_at=None).exists()
    return given_back


# -- two operators ---------------------------------------------------------------------------------


def approve(case: Case) -> None:  # noqa: F811
    refunds.approve(the_one(), by=second_operator())


def decline(case: Case) -> None:  # noqa: F811
    refunds.decline(the_one(), by=second_operator(), reason="no")


def want_more(case: Case) -> None:  # noqa: F811
    ask_for(case, SMALL)


@pytest.mark.parametrize("second", [approve, decline, want_more], ids=names)
@pytest.mark.parametrize("first", [approve, decline, want_more], ids=names)
def test_operators_do_not_act_on_what_another_has_ended(
    case: Case,  # noqa: F811
    settings: Any,
    first: Side,
    second: Side,
) -> None:
    settings.REFUND_APPROVAL_AMOUNT = Decimal("10.00")
    begin(case, "settled")
    assert ask_for(case, BIG).status == "WAITING"
    done = []

    def noting(side: Side) -> Side:
        def noted(case: Case) -> None:
            with suppress(Problem):
                side(case)
                done.append(side)

        return noted

    if first is want_more:  # which cannot be stopped where it is refused at once
        noting(first)(case)
        noting(second)(case)
    else:
        race(case, noting(first), noting(second), "with the operator's wish written")
    tick()

    # Only what was declined leaves room for more.
    outcomes: dict[tuple[Side, Side], list[Side]] = {
        (approve, approve): [approve],
        (approve, decline): [approve],
        (approve, want_more): [approve],
        (decline, approve): [decline],
        (decline, decline): [decline],
        (decline, want_more): [decline, want_more],
        (want_more, approve): [approve],
        (want_more, decline): [decline],
        (want_more, want_more): [],
    }
    assert done == outcomes[first, second]
    moved: dict[Side, list[str]] = {approve: [str(BIG)], want_more: [str(SMALL)]}
    assert list(assert_books(case).values()) == moved.get(done[-1] if done else decline, [])


# -- Alipay's console ------------------------------------------------------------------------------


def tell(case: Case) -> None:  # noqa: F811
    """Alipay brings the notice of every refund there is by now."""
    told = case.sandbox.control(f"notices?out_trade_no={case.payment.out_trade_no}")["items"]
    for each in told:
        if "refund_fee" in each["fields"]:
            assert post(each["fields"]).content == b"success"


def want_the_rest(case: Case) -> None:  # noqa: F811
    with suppress(Problem):
        ask_for(case, case.payment.refundable())
    send_what_is_due(case)


@pytest.mark.parametrize(
    ("first", "step"),
    [
        (tell, "with the notice kept"),
        (tell, "after the refund query"),
        (tell, "with the operator's wish written"),
        (send_what_is_due, "before the refund"),
        (send_what_is_due, "after the refund"),
        (send_what_is_due, "with the refund written"),
    ],
    ids=names,
)
@pytest.mark.parametrize("second", [tell, send_what_is_due, want_the_rest], ids=names)
def test_a_foreign_refund_our_own_and_their_notices(
    case: Case,  # noqa: F811
    first: Side,
    second: Side,
    step: str,
) -> None:
    begin(case, "settled")
    own = ask_for(case, PART)
    alipay.refund(
        out_trade_no=case.payment.out_trade_no,
        refund_amount=PART,
        out_request_no="console-1",
        refund_reason="by hand",
    )

    race(case, first, second, step)

    tell(case)
    for _ in range(2):
        let_time_pass()
        tick()
    given_back = assert_books(case)
    assert given_back["console-1"] == given_back[own.out_request_no] == str(PART)
    causes = Refund.objects.values_list("out_request_no", "cause")
    assert dict(causes)["console-1"] == "CONSOLE"
    assert dict(causes)[own.out_request_no] == "OPERATOR"


# -- two workers -----------------------------------------------------------------------------------


def fail(case: Case) -> None:  # noqa: F811
    """Another worker sends it too, since the first takes so long; Alipay says no."""
    send_what_is_due(case)
    assert the_one().status == "FAILED"


def fail_and_retry(case: Case) -> None:  # noqa: F811
    fail(case)
    refunds.retry(the_one(), by=case.operator)


def fail_and_go(case: Case) -> None:  # noqa: F811
    """It failed, was tried again, and is sent by whoever comes first."""
    fail_and_retry(case)
    send_what_is_due(case)


@pytest.mark.parametrize("second", [fail, fail_and_retry, fail_and_go], ids=names)
def test_a_refund_that_failed_for_one_worker_and_went_for_another(
    case: Case,  # noqa: F811
    second: Side,
) -> None:
    """Money that moved is a fact, whoever has written down before that it never would."""
    begin(case, "settled")
    refund = ask_for(case, PART)
    case.sandbox.fault("refuse", "refund", sub_code="ACQ.REFUND_FEE_ERROR")

    race(case, send_what_is_due, second, "before the refund")

    let_time_pass()
    tick()
    assert assert_books(case) == {refund.out_request_no: str(PART)}


def test_a_worker_lets_alone_what_has_ended_since_it_was_claimed(case: Case) -> None:  # noqa: F811
    """Its batch took so long that another worker was told no, and another refund asked for."""
    begin(case, "settled")
    claimed = ask_for(case, PART)
    case.sandbox.fault("refuse", "refund", sub_code="ACQ.REFUND_FEE_ERROR")
    fail(case)
    instead = ask_for(case, PART)

    refunds.send(claimed)
    tick()

    assert assert_books(case) == {instead.out_request_no: str(PART)}


def test_the_notice_of_a_refund_that_failed_is_believed(case: Case) -> None:  # noqa: F811
    """Alipay, asked, says that it moved the money: whatever it said before."""
    begin(case, "settled")
    refund = ask_for(case, PART)
    case.sandbox.fault("refuse", "refund", sub_code="ACQ.REFUND_FEE_ERROR")
    tick()
    assert the_one().status == "FAILED"
    alipay.refund(
        out_trade_no=case.payment.out_trade_no,
        refund_amount=PART,
        out_request_no=refund.out_request_no,
        refund_reason="it was done after all",
    )

    tell(case)

    assert assert_books(case) == {refund.out_request_no: str(PART)}


def retry(case: Case) -> None:  # noqa: F811
    with suppress(Problem):
        refunds.retry(the_one(), by=case.operator)


@pytest.mark.parametrize(
    ("first", "second"), [(retry, retry), (retry, send_what_is_due), (retry, want_the_rest)]
)
def test_a_refund_that_is_tried_again_goes_once(
    case: Case,  # noqa: F811
    first: Side,
    second: Side,
) -> None:
    begin(case, "settled")
    refund = ask_for(case, BIG)
    case.sandbox.fault("refuse", "refund", sub_code="ACQ.REFUND_FEE_ERROR")
    tick()

    race(case, first, second, "with the operator's wish written")

    let_time_pass()
    tick()
    assert assert_books(case)[refund.out_request_no] == str(BIG)


def test_what_is_tried_again_counts_for_the_second_operator(
    case: Case,  # noqa: F811
    settings: Any,
) -> None:
    """Nobody gets past the limit by letting a refund fail, and asking for another meanwhile."""
    settings.REFUND_APPROVAL_AMOUNT = Decimal("10.00")
    begin(case, "settled")
    ask_for(case, Decimal("9.00"))
    case.sandbox.fault("refuse", "refund", sub_code="ACQ.REFUND_FEE_ERROR")
    tick()
    ask_for(case, Decimal("9.00"))

    retry(case)
    tick()

    assert the_one().status == "WAITING"
    assert list(assert_books(case).values()) == ["9.00"]
