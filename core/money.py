"""Money: yuan with two decimals, a Decimal from the form to the database, never a float."""

from decimal import Decimal
from typing import Annotated, Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from pydantic import PlainSerializer, WithJsonSchema

SMALLEST = Decimal("0.01")
# Alipay takes no more than this for one trade.
LARGEST = Decimal("100000000.00")


class MoneyField(models.DecimalField):
    """An amount in yuan, 0.00 to 100,000,000.00."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"], kwargs["decimal_places"] = 11, 2
        super().__init__(*args, **kwargs)


price_validators = [MinValueValidator(SMALLEST), MaxValueValidator(LARGEST)]


def plain(amount: Decimal) -> str:
    """Write an amount as Alipay and the API do: ``1234.50``."""
    return f"{amount:.2f}"


def yuan(amount: Decimal) -> str:
    """Write an amount as a shopper reads it: ``¥1,234.50``."""
    return f"¥{amount:,.2f}"


# Money on the wire: a string with two decimals.
Money = Annotated[
    Decimal,
    PlainSerializer(plain, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d+\.\d{2}$",
            "examples": ["9.90"],
            "title": "Yuan",
        }
    ),
]
