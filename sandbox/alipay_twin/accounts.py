"""Who buys and who sells, remembered between calls: they are few, and asked for all the time."""

from __future__ import annotations

from .models import Buyer, Merchant


class Accounts:
    """Merchants by app_id, buyers by key. Balances move: read those from the database."""

    def __init__(self) -> None:
        self._merchants: dict[str, Merchant] = {}
        self._buyers: dict[int, Buyer] = {}

    def merchant(self, app_id: str) -> Merchant | None:
        """The merchant of an app, if there is one."""
        known = self._merchants
        if app_id not in known:
            known.update({found.app_id: found for found in Merchant.objects.all()})
        return known.get(app_id)

    def buyer(self, pk: int) -> Buyer:
        """A buyer that a trade speaks of."""
        if pk not in self._buyers:
            self._buyers[pk] = Buyer.objects.get(pk=pk)
        return self._buyers[pk]

    def clear_cache(self) -> None:
        """Something about a merchant has changed."""
        self._merchants = {}


accounts = Accounts()
