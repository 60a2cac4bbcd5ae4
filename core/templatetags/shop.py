"""What the shop's templates say again and again."""

from decimal import Decimal

from django import template

from core import money

register = template.Library()


@register.filter
def yuan(amount: Decimal) -> str:
    """``{{ product.price|yuan }}`` → ``¥9.90``."""
    return money.yuan(amount)
