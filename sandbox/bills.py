"""The day's bill."""

from .models import BillLink, Merchant
from .refusals import Refusal


def link(merchant: Merchant, bill_type: str, bill_date: str) -> BillLink:
    raise Refusal("isp.BILL_NOT_EXIST")


def address(link: BillLink) -> str:
    return f"/bills/{link.token}"
