"""Money: yuan with two decimals, a Decimal from the form to the database, never a float."""

from decimal import Decimal
from typing import Annotated, Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Coalesce, Round
from pydantic import PlainSerializer, WithJsonSchema

SMALLEST = Decimal("0.01")
# Alipay takes no more than this for one trade.
LARGEST = Decimal("100000000.00")


class MoneyField(models.DecimalField):
    """An amount in yuan, 0.00 to 100,000,000.00."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"], kwargs["decimal_places"] = 11, 2
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: Decimal | None, *_: Any) -> Decimal | None:
        """Give every amount its two decimals: what SQLite computes comes with more or fewer."""
        return None if value is None else value.quantize(SMALLEST)


def total(field: str, *, filter: models.Q | None = None) -> Coalesce:  # noqa: A002  Django's word
    """Add amounts up in the database, to the fen; of no rows it is 0.00.

    SQLite adds floats: sixty times 0.10 would be 5.99999999999999.
    """
    added = Round(models.Sum(field, filter=filter), precision=2, output_field=MoneyField())
    return Coalesce(added, models.Value(Decimal("0.00")), output_field=MoneyField())


price_validators = [MinValueValidator(SMALLEST), MaxValueValidator(LARGEST)]


def format_amount(amount: Decimal) -> str:
    """Write an amount as Alipay and the API do: ``1234.50``."""
    return f"{amount:.2f}"


def yuan(amount: Decimal) -> str:
    """Write an amount as a shopper reads it: ``¥1,234.50``."""
    return f"¥{amount:,.2f}"


# Money on the wire: a string with two decimals.
Money = Annotated[
    Decimal,
    PlainSerializer(format_amount, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d+\.\d{2}$",
            "examples": ["9.90"],
            "title": "Yuan",
        }
    ),
]
