"""A buyer's browser that a merchant's page sends to Alipay."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request

from tests.outside import Buyer

PASSWORD = "111111"


class Form:
    """A form as a browser reads it."""

    def __init__(self, page: str) -> None:
        (form,) = (tag for tag in tags(page, "form"))
        self.action, self.method = form["action"], form["method"].upper()
        inputs = (tag for tag in tags(page, "input") if "name" in tag)
        self.fields = {tag["name"]: tag["value"] for tag in inputs}


def tags(page: str, name: str) -> list[dict[str, str]]:
    """The attributes of every such tag.

    Inside an attribute a browser takes &amp; for an ampersand, but leaves &notify_url alone, which
    the clients do not escape; Python's parser makes ¬ify_url of it.
    """
    found = re.findall(rf'<{name}((?:\s+[a-z]+="[^"]*")*)', page)
    return [
        {
            key: re.sub(r"&#?\w+;", lambda reference: html.unescape(reference[0]), value)
            for key, value in re.findall(r'([a-z]+)="([^"]*)"', attributes)
        }
        for attributes in found
    ]


@dataclass
class Visitor(Buyer):
    """Follows an address, or lets a page send its form."""

    cashier: str = field(default="", init=False)

    def follow(self, made: str) -> None:
        """Go where a client's page sends the browser: its address, or its form's."""
        if made.startswith("http"):
            self.get(made)
        else:
            form = Form(made)
            assert form.method == "POST"
            self._open(Request(form.action, data=urlencode(form.fields).encode()))
        self.cashier = self.location

    def pay(self) -> dict[str, str]:
        """Log in at the cashier, confirm, be sent back; give what the browser brings."""
        self.get(self.cashier)
        self.post(f"{self.cashier}login/", logon_id="buyer@sandbox.com", password=PASSWORD)
        self.get(self.cashier)
        self.post(f"{self.cashier}pay/", password=PASSWORD)
        self.get(f"{self.cashier}done/")
        return dict(parse_qsl(urlsplit(self.location).query, strict_parsing=True))
