"""Only scripts that stand in the source of a template run.

The policy of each response (`CONTENT_SECURITY_POLICY`) lets a script run by the nonce of that
response alone, not by its address: otherwise markup that got into a page could load one of the
shop's own files, htmx say, and let it send the reader's forms.

Django's admin and Ninja's pages know of no nonce, and need not: each template gets it as it is
loaded, before anything is put into it. What comes from data never has one.

    <script src=…>    <script nonce="{{ csp_nonce }}" src=…>
    {{ media }}       {{ media|nonced:csp_nonce }}: the files that the widgets of a form name
"""

import re
from typing import Any

from django import template
from django.forms import Media
from django.http import HttpRequest
from django.template import Origin
from django.template.loaders import cached
from django.utils.html import format_html
from django.utils.safestring import mark_safe

register = template.Library()

SCRIPT = re.compile(r"<script(?=[\s>])", re.IGNORECASE)
MEDIA = re.compile(r"{{ *((?:\w+\.)*media(?:\.js)?) *}}")


class Loader(cached.Loader):
    """Django's own loader; it does this once for each template."""

    def get_contents(self, origin: Origin) -> str:
        return with_nonces(super().get_contents(origin))


def with_nonces(source: str) -> str:
    source = SCRIPT.sub('<script nonce="{{ csp_nonce }}"', source)
    return MEDIA.sub(r"{{ \1|nonced:csp_nonce }}", source)


@register.filter
def nonced(media: Any, nonce: str) -> Any:
    if not isinstance(media, Media):
        return media
    tag = format_html('<script nonce="{}"', nonce)
    return mark_safe(SCRIPT.sub(tag, media.render()))  # noqa: S308


def context(request: HttpRequest) -> dict[str, Any]:
    """Name the nonce as Django 6 does; it is made when the first script asks for it."""
    return {"csp_nonce": getattr(request, "csp_nonce", "")}
