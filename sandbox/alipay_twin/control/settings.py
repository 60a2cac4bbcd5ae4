"""Settings: how this Alipay behaves where sources disagree."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from .. import actions
from ..behaviour import Behaviour, rules
from .errors import PROBLEMS

router = Router()


@router.get("/settings", response={200: Behaviour, **PROBLEMS})
def get_settings(request: HttpRequest) -> Any:
    """How this Alipay behaves where sources disagree."""
    return rules.behaviour


@router.patch("/settings", response={200: Behaviour, **PROBLEMS})
def patch_settings(request: HttpRequest, changes: Behaviour) -> Any:
    """Change what is given; the others stay."""
    return actions.change_behaviour(changes)
