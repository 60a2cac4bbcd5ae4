"""Faults: which calls go wrong, and how."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Body, Router, Schema
from pydantic import ConfigDict, Discriminator, Field, Tag

from ..faults import FaultIn, faults
from ..models import Fault
from ..schemas import In
from .errors import PROBLEMS

router = Router()


class FaultOut(FaultIn):
    model_config = ConfigDict(from_attributes=True)
    used: int


class FaultsIn(In):
    items: list[FaultIn] = Field(max_length=1000)


def one_or_many(given: Any) -> str:
    is_many = isinstance(given, FaultsIn) or (isinstance(given, dict) and "items" in given)
    return "many" if is_many else "one"


OneOrMany = Annotated[
    Annotated[FaultsIn, Tag("many")] | Annotated[FaultIn, Tag("one")],
    Discriminator(one_or_many),
]


class FaultsOut(Schema):
    items: list[FaultOut]


def all_faults() -> dict[str, Any]:
    return {"items": list(Fault.objects.all())}


@router.get("/faults", response={200: FaultsOut, **PROBLEMS})
def get_faults(request: HttpRequest) -> Any:
    """What is made to go wrong, and how often it did."""
    return all_faults()


@router.put("/faults", response={200: FaultsOut, **PROBLEMS})
def put_faults(request: HttpRequest, wanted: Body[OneOrMany]) -> Any:
    """These faults and no others; one, or a list of ``items``. The first that fits a call is it."""
    faults.replace(wanted.items if isinstance(wanted, FaultsIn) else [wanted])
    return all_faults()


@router.post("/faults", response={200: FaultsOut, **PROBLEMS})
def post_fault(request: HttpRequest, wanted: FaultIn) -> Any:
    """This fault too."""
    faults.add([wanted])
    return all_faults()


@router.delete("/faults", response={200: FaultsOut, **PROBLEMS})
def delete_faults(request: HttpRequest) -> Any:
    """Nothing goes wrong any more."""
    faults.replace([])
    return all_faults()
