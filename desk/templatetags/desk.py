"""The desk, where the admin's first page wants it."""

from typing import Any

from django import template

from desk.first_page import Desk

register = template.Library()


@register.inclusion_tag("desk/desk.html", takes_context=True, name="desk")
def show_desk(context: dict[str, Any]) -> dict[str, Any]:
    return {"desk": Desk.of(context["request"])}
