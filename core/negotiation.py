"""One operation, three audiences.

An operation returns an object and knows nothing of who asked. Here it becomes what each wants:

* **htmx** in a page: a fragment of a template, or ``HX-Redirect``;
* a browser without JavaScript (**page**): a whole page, or ``303 See Other``;
* an API **client**: the object, as JSON by Ninja's schema.
"""

from collections.abc import Callable
from enum import Enum
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseRedirectBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails
from ninja import Status


class Audience(Enum):
    HTMX = "htmx"
    PAGE = "page"
    CLIENT = "client"


class SeeOther(HttpResponseRedirectBase):
    """303: whatever was posted, now GET this."""

    status_code = 303


def htmx(request: HttpRequest) -> HtmxDetails:
    """Return what htmx says of itself, also where its middleware was not reached."""
    return getattr(request, "htmx", None) or HtmxDetails(request)


def is_form(request: HttpRequest) -> bool:
    """Whether the body is what a browser's form sends."""
    return request.content_type in (
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    )


def audience(request: HttpRequest) -> Audience:
    """Tell who asked: a JSON body or an API address means a client, whatever it accepts."""
    if htmx(request) and not htmx(request).boosted:
        return Audience.HTMX
    if request.path.startswith("/api/") or request.content_type == "application/json":
        return Audience.CLIENT
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        return Audience.CLIENT
    return Audience.PAGE


def fragment(template_name: str, context_name: str) -> Callable[..., Any]:
    """Render the operation's object for htmx; leave it to Ninja's schema for everyone else."""

    def decorate(operation: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(operation)
        def negotiated(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            result = operation(request, *args, **kwargs)
            if audience(request) is Audience.HTMX:
                return render(request, template_name, {context_name: result})
            return result

        return negotiated

    return decorate


def see_other(address_of: Callable[[Any], str]) -> Callable[..., Any]:
    """Lead a shopper on to an address of what was made; give a client 201 and the object."""

    def decorate(operation: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(operation)
        def negotiated(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            made = operation(request, *args, **kwargs)
            match audience(request):
                case Audience.HTMX:
                    return HttpResponseClientRedirect(address_of(made))
                case Audience.PAGE:
                    return SeeOther(address_of(made))
                case Audience.CLIENT:
                    return Status(201, made)

        return negotiated

    return decorate


def vary_by_audience(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Tell caches, by a middleware, that one address has several faces."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        patch_vary_headers(response, ["HX-Request", "HX-History-Restore-Request", "Accept"])
        return response

    return middleware
