"""The tables of payments: imported here, since Django looks for them here."""

from payments import journal
from payments.models import notice, one_person, payment, refund

__all__ = ["journal", "notice", "one_person", "payment", "refund"]
