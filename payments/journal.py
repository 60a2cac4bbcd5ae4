"""The books: every movement of money, twice, as bookkeepers have written it for five hundred years.

    what happened           debit                credit
    SALE      an order paid   ALIPAY               SALES
    REFUND    of a sale       RETURNS              ALIPAY
    LATE_IN   nobody's money  ALIPAY               LATE_MONEY
    LATE_OUT  sent back       LATE_MONEY           ALIPAY
    FEE       Alipay keeps    FEES                 ALIPAY
    FEE_BACK  and gives back  ALIPAY               FEES

A row is one movement and names both of its accounts, so the books balance by their form. It is
written in the transaction of the change that it records, once, and never again.
"""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.append_only import AppendOnly
from core.money import SMALLEST, MoneyField, total


class Account(models.TextChoices):
    ALIPAY = "ALIPAY", _("Alipay balance")  # an asset: what Alipay holds for the shop
    SALES = "SALES", _("Sales")  # revenue
    RETURNS = "RETURNS", _("Sales returned")  # what lessens the revenue
    FEES = "FEES", _("Alipay's fees")  # an expense
    LATE_MONEY = "LATE_MONEY", _("Late money, owed back")  # a liability


class What(models.TextChoices):
    SALE = "SALE", _("Sale")
    REFUND = "REFUND", _("Refund")
    LATE_IN = "LATE_IN", _("Late money in")
    LATE_OUT = "LATE_OUT", _("Late money out")
    FEE = "FEE", _("Fee")
    FEE_BACK = "FEE_BACK", _("Fee given back")


LEGS = {
    What.SALE: (Account.ALIPAY, Account.SALES),
    What.REFUND: (Account.RETURNS, Account.ALIPAY),
    What.LATE_IN: (Account.ALIPAY, Account.LATE_MONEY),
    What.LATE_OUT: (Account.LATE_MONEY, Account.ALIPAY),
    What.FEE: (Account.FEES, Account.ALIPAY),
    What.FEE_BACK: (Account.ALIPAY, Account.FEES),
}


class JournalEntry(AppendOnly):
    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)
    what = models.CharField(_("what"), max_length=10, choices=What.choices)
    debit = models.CharField(_("debit"), max_length=10, choices=Account.choices)
    credit = models.CharField(_("credit"), max_length=10, choices=Account.choices)
    amount = MoneyField(_("amount (yuan)"))
    payment = models.ForeignKey(
        "payments.Payment",
        verbose_name=_("payment"),
        on_delete=models.PROTECT,
        related_name="journal",
    )
    refund = models.ForeignKey(
        "payments.Refund",
        verbose_name=_("refund"),
        on_delete=models.PROTECT,
        related_name="journal",
        null=True,
        blank=True,
    )

    class Meta:
        ordering = ["-id"]
        verbose_name = _("journal entry")
        verbose_name_plural = _("journal")
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=SMALLEST), name="journal_amount_bounds"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="journal_two_accounts"),
            models.UniqueConstraint(
                fields=["what", "payment"],
                condition=Q(refund__isnull=True),
                name="journal_once_a_payment",
            ),
            models.UniqueConstraint(
                fields=["what", "refund"],
                condition=Q(refund__isnull=False),
                name="journal_once_a_refund",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_what_display()} {self.amount}"


def book(
    what: What, *, amount: Decimal, payment: models.Model, refund: models.Model | None = None
) -> None:
    """Write one movement of a Payment's money: in the transaction of the change that it records."""
    debit, credit = LEGS[what]
    JournalEntry.objects.create(
        what=what,
        debit=debit,
        credit=credit,
        amount=amount,
        payment_id=payment.pk,
        refund_id=refund.pk if refund else None,
    )


def balance(account: Account) -> Decimal:
    """Return what stands on an account, in yuan: its debits less its credits."""
    sums = JournalEntry.objects.aggregate(
        debits=total("amount", filter=Q(debit=account)),
        credits=total("amount", filter=Q(credit=account)),
    )
    # SQLite adds up in floating point: over many rows a sum is a hair beside the fen.
    balance: Decimal = (sums["debits"] - sums["credits"]).quantize(SMALLEST)
    return balance
