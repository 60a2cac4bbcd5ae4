"""Who may drive the sandbox: the people of this machine and their programs, no web page.

A page of another origin must not be able to move the clock or to forge a notice, neither by a
form, nor by a name that was made to point here. Programs send no Origin, and are welcome.

A script runs by the nonce of its page alone, so that markup that got into one can load nothing.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, JsonResponse

POLICY = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'"

#: A merchant may show the cashier in a frame of its own page; nobody may frame the rest.
UNFRAMED = f"{POLICY}; frame-ancestors 'none'"

SAFE = {"GET", "HEAD", "OPTIONS"}


class OriginGuard:
    """Refuse what another site sends to the control API or the console."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.csp_nonce = secrets.token_urlsafe(16)  # type: ignore[attr-defined]
        policy = POLICY
        if is_private(request.path):
            policy = UNFRAMED
            host = request.META.get("HTTP_HOST", "")
            if not is_own_name(host):
                return refused(
                    f"This sandbox does not answer to the name {host}. "
                    "Start it with --host-name to add one."
                )
            if request.method not in SAFE and is_from_elsewhere(request, host):
                return refused("Another site's page may not drive the sandbox.")
        response = self.get_response(request)
        # Ninja's page of documents knows of no nonce, and shows nothing that anybody wrote.
        if request.path != "/control/docs":
            policy += f"; script-src 'nonce-{request.csp_nonce}'"  # type: ignore[attr-defined]
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        if not response.streaming and "Content-Length" not in response:
            response.headers["Content-Length"] = str(len(response.content))  # to keep connections
        return response


def nonce(request: HttpRequest) -> dict[str, Any]:
    """Let templates name the nonce as Django 6 does."""
    return {"csp_nonce": request.csp_nonce}  # type: ignore[attr-defined]


def is_private(path: str) -> bool:
    """Everything but what merchants and buyers come for."""
    return not path.startswith(("/gateway.do", "/cashier/", "/bills/", "/static/"))


def is_own_name(host: str) -> bool:
    """An address, or a name this machine was told is its own."""
    name = (urlsplit(f"//{host}").hostname or "").lower()
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in {"localhost", *os.environ.get("SANDBOX_HOST_NAMES", "").lower().split()}
    return True


def is_from_elsewhere(request: HttpRequest, host: str) -> bool:
    origin = request.META.get("HTTP_ORIGIN")
    if origin is not None:
        return urlsplit(origin).netloc.lower() != host.lower()
    return request.META.get("HTTP_SEC_FETCH_SITE", "none") not in ("same-origin", "none")


def refused(why: str) -> JsonResponse:
    return JsonResponse(
        {"type": "about:blank", "title": "Refused", "status": 403, "detail": why},
        status=403,
        content_type="application/problem+json",
    )
