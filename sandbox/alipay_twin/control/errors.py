"""Every refusal is ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import Schema
from ninja.errors import HttpError, ValidationError

from ..problems import Problem
from ..refusals import Refusal


class ProblemOut(Schema):
    type: str = "about:blank"
    title: str
    status: int
    detail: str
    sub_code: str | None = None
    errors: dict[str, list[str]] | None = None


#: What every operation may answer besides.
PROBLEMS: dict[Any, Any] = {frozenset({400, 403, 404, 409, 422}): ProblemOut}


def problem_response(status: int, title: str, detail: str, **more: Any) -> HttpResponse:
    return JsonResponse(
        {"type": "about:blank", "title": title, "status": status, "detail": detail, **more},
        status=status,
        content_type="application/problem+json",
        json_dumps_params={"ensure_ascii": False},
    )


def problem(request: HttpRequest, problem: Problem) -> HttpResponse:
    return problem_response(problem.status, problem.title, problem.detail)


def refusal(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    return problem_response(409, "Alipay refuses", refusal.sub_msg, sub_code=refusal.sub_code)


def invalid(request: HttpRequest, invalid: ValidationError) -> HttpResponse:
    errors: dict[str, list[str]] = {}
    for error in invalid.errors:
        place = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
        errors.setdefault(".".join(place[1:] or place) or "body", []).append(error["msg"])
    detail = "; ".join(f"{name}: {', '.join(words)}" for name, words in errors.items())
    return problem_response(422, "Invalid request", detail, errors=errors)


def unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    return problem_response(error.status_code, "Cannot be read", str(error))


def not_found(request: HttpRequest, missing: Http404) -> HttpResponse:
    return problem_response(404, "Not found", str(missing) or "There is no such thing.")


HANDLERS: dict[type[Exception], Callable[..., HttpResponse]] = {
    Problem: problem,
    Refusal: refusal,
    ValidationError: invalid,
    HttpError: unreadable,
    Http404: not_found,
}
