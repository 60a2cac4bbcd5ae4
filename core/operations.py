"""What every typed operation shares: who calls, how a body is read, how a list is paged."""

import json
from typing import Annotated, Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from ninja import Schema
from ninja.parser import Parser
from ninja.security import APIKeyCookie
from ninja.utils import check_csrf
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from core.negotiation import is_form
from core.problems import CSRFRefused, UnsupportedMediaType


class SessionAuth(APIKeyCookie):
    """The session cookie of a logged-in user; what writes must carry the CSRF token too."""

    param_name = "sessionid"

    def __init__(self) -> None:
        # Ninja would look for the token before it knows whether there is a session to protect.
        super().__init__(csrf=False)

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        if not request.user.is_authenticated:
            return None
        # Looking for the token in a multipart form would use up the body before it is read.
        _ = request.body
        if check_csrf(request):
            raise CSRFRefused
        return request.user


class BodyReader(Parser):
    """One parser reads what a form posts and what a client sends as JSON."""

    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type == "application/json":
            return json.loads(request.body)
        if is_form(request):
            return request.POST.dict()
        raise UnsupportedMediaType


class ProblemOut(Schema):
    """RFC 9457: what was refused, in words; ``errors`` names the fields that are to blame."""

    type: str
    title: str
    status: int
    detail: str
    errors: dict[str, list[str]] | None = None


def refusals(*statuses: int) -> dict[Any, Any]:
    """Declare the refusals that an operation may answer with."""
    return {frozenset(statuses): ProblemOut}


def _is_number(value: Any) -> Any:
    """JSON's true is no 1, and only Python reads 1_0 as ten."""
    if isinstance(value, bool | float) or "_" in str(value):
        raise PydanticCustomError("int_type", "Enter a whole number.")
    return value


def _is_amount(value: Any) -> Any:
    if isinstance(value, bool) or "_" in str(value):
        raise PydanticCustomError("decimal_parsing", "Enter an amount.")
    return value


def _without_nul(text: str) -> str:
    """PostgreSQL keeps no NUL character."""
    if "\0" in text:
        raise PydanticCustomError("nul", "This value is not valid.")
    return text


# Makes a field read a whole number, from JSON or from the text of a form.
WHOLE_NUMBER = BeforeValidator(_is_number)
# The same for yuan.
AMOUNT = BeforeValidator(_is_amount)
WITHOUT_NUL = AfterValidator(_without_nul)
Text = Annotated[str, WITHOUT_NUL]
# Larger than any row's id would be an error of the database.
RowId = Annotated[int, Field(ge=1, le=2**63 - 1), WHOLE_NUMBER]


class Page(Schema):
    """Which part of a list: at most 100 rows."""

    limit: int = Field(20, ge=1, le=100)
    offset: int = Field(0, ge=0, le=10_000_000)

    def of(self, rows: QuerySet[Model]) -> dict[str, Any]:
        """Return the rows of this page, and how many there are in all."""
        return {
            "items": rows[self.offset : self.offset + self.limit],
            "count": rows.count(),
        }
