"""Problem: a refusal, and how it is told to each audience.

A rule raises a Problem where the rule is. Here it becomes ``application/problem+json`` (RFC 9457)
for an API client, an alert for htmx, and a page for a browser without JavaScript: the same status
and the same words for all. Where a form was refused, its page is shown again with the words in it.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import resolve, reverse
from django.utils.translation import gettext_lazy as _
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget
from ninja.errors import AuthenticationError, HttpError, ValidationError

from core.body_limits import is_too_large
from core.negotiation import Audience, audience, htmx

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FormPage:
    """The page on which a form stands, by its name, and the element of it that htmx wants back."""

    name: str
    element_id: str


# By the name of the operation that a form is posted to; each room adds its own, beside the
# operation. When the form is refused, its page is shown again with `request.refusal` on it.
FORM_PAGES: dict[str, FormPage] = {}


@dataclass(frozen=True)
class Refusal:
    """What a page is shown again for: the words, and the element that htmx wants."""

    words: str
    element_id: str


class Problem(Exception):
    """A refusal in words: subclasses say which, the instance says what exactly.

    ``errors`` names the fields that are to blame, each with its sentences.
    """

    status: ClassVar[int] = 400
    slug: ClassVar[str] = "bad-request"
    title: Any = _("The request cannot be understood")
    detail: Any = ""

    def __init__(self, detail: Any = "", *, errors: Mapping[str, list[Any]] | None = None) -> None:
        self.detail = detail or self.detail
        self.errors = {
            field: [str(words) for words in told] for field, told in (errors or {}).items()
        }
        super().__init__(str(self.detail))

    def as_json(self) -> dict[str, Any]:
        told = {
            "type": f"urn:guitai:problem:{self.slug}",
            "title": str(self.title),
            "status": self.status,
            "detail": str(self.detail or self.title),
        }
        return {**told, "errors": self.errors} if self.errors else told


class LoginRequired(Problem):
    status, slug = 401, "login-required"
    title = _("Please log in first")


class Forbidden(Problem):
    status, slug = 403, "forbidden"
    title = _("This is not allowed")


class CSRFRefused(Forbidden):
    slug = "csrf"
    title = _("This form has grown old")
    detail = _(
        "The request did not carry the token of your session. Go back, load the page again "
        "and send the form once more; cookies must be allowed."
    )


class NotFound(Problem):
    status, slug = 404, "not-found"
    title = _("There is nothing here")
    detail = _("What you are looking for does not exist, or is not yours to see.")


class MethodNotAllowed(Problem):
    status, slug = 405, "method-not-allowed"
    title = _("This address does not take that method")


class TooLarge(Problem):
    status, slug = 413, "too-large"
    title = _("That is too much at once")
    detail = _("The request is larger than anything that this shop needs.")


class UnsupportedMediaType(Problem):
    status, slug = 415, "unsupported-media-type"
    title = _("Send JSON or a form")


class InvalidInput(Problem):
    status, slug = 422, "invalid-input"
    title = _("Something in the input is not right")


class ServerError(Problem):
    status, slug = 500, "server-error"
    title = _("Something went wrong on our side")
    detail = _("It has been written down. Please try again in a moment.")


# Pydantic's codes as sentences. Its limits fill the placeholders.
SENTENCES = {
    "missing": _("This field is required."),
    "bool_as_number": _("Enter a whole number."),
    "int_from_float": _("Enter a whole number."),
    "int_parsing": _("Enter a whole number."),
    "int_parsing_size": _("Enter a smaller number."),
    "int_type": _("Enter a whole number."),
    "greater_than_equal": _("Enter {ge} or more."),
    "less_than_equal": _("Enter {le} or less."),
    "decimal_type": _("Enter an amount, such as 9.90."),
    "decimal_parsing": _("Enter an amount, such as 9.90."),
    "finite_number": _("Enter an amount, such as 9.90."),
    "decimal_max_places": _("Enter at most {decimal_places} decimals."),
    "string_type": _("Enter a text."),
    "string_too_long": _("Enter at most {max_length} characters."),
    "string_too_short": _("Enter at least {min_length} characters."),
    "too_short": _("Give at least {min_length}."),
    "too_long": _("Give at most {max_length}."),
    "list_type": _("Give a list."),
}


def sentence(error: Mapping[str, Any]) -> str:
    """Say one of Pydantic's errors in words; what it has no words for is "not valid"."""
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    if error["type"] == "string_too_short" and context["min_length"] == 1:
        return str(SENTENCES["missing"])
    return str(SENTENCES.get(error["type"], _("This value is not valid."))).format(**context)


def invalid_input(validation_error: ValidationError) -> InvalidInput:
    """Turn Ninja's list of errors into words beside each field.

    Ninja's location is ``(part of the request, parameter, field, …)``.
    """
    errors: dict[str, list[str]] = {}
    for error in validation_error.errors:
        part, *path = error["loc"]
        field = ".".join(str(step) for step in (path[1:] if part == "body" else path[-1:]))
        errors.setdefault(field or "body", []).append(sentence(error))
    first = next(iter(errors.values()))[0]
    return InvalidInput(first, errors=errors)


def problem_response(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Answer with the problem, in the way that this audience understands."""
    asked_by = audience(request)
    if asked_by is Audience.CLIENT:
        return JsonResponse(
            problem.as_json(),
            status=problem.status,
            content_type="application/problem+json",
            json_dumps_params={"ensure_ascii": False},
        )
    if isinstance(problem, LoginRequired):
        return lead_to_login(request)

    match = request.resolver_match
    if problem.errors and match and match.view_name in FORM_PAGES:
        page = FORM_PAGES[match.view_name]
        address = reverse(page.name, kwargs=match.kwargs)
        return show_form_again(request, problem, address, page.element_id)

    part = "#alert" if asked_by is Audience.HTMX else ""
    response = render(
        request, f"core/problem.html{part}", {"problem": problem}, status=problem.status
    )
    if asked_by is Audience.HTMX:
        return reswap(retarget(response, "#alerts"), "innerHTML")
    return response


def lead_to_login(request: HttpRequest) -> HttpResponse:
    """Send the shopper to the login page, and back to where they were afterwards."""
    match = request.resolver_match
    if match and match.view_name in FORM_PAGES:
        back = reverse(FORM_PAGES[match.view_name].name, kwargs=match.kwargs)
    elif htmx(request):
        back = htmx(request).current_url_abs_path or "/"
    else:
        back = request.get_full_path() if request.method == "GET" else "/"
    to_login = redirect_to_login(back)
    return HttpResponseClientRedirect(to_login.url) if htmx(request) else to_login


def show_form_again(
    request: HttpRequest, problem: Problem, address: str, element_id: str
) -> HttpResponse:
    """Render the page on which the form stands, or that element of it for htmx."""
    page = resolve(address)
    words = next(iter(problem.errors.values()))[0]
    request.refusal = Refusal(words, element_id)  # type: ignore[attr-defined]
    response = page.func(request, *page.args, **page.kwargs)
    response.status_code = problem.status
    if htmx(request):
        return reswap(retarget(response, f"#{element_id}"), "outerHTML")
    return response


class ProblemMiddleware:
    """Tell what a Django view raises, and what Django itself refuses."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code == 405:
            refusal = problem_response(request, MethodNotAllowed())
            refusal["Allow"] = response["Allow"]
            return refusal
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], *_: Any
    ) -> HttpResponse | None:
        """Refuse a body that is too large, before anything reads it.

        A view that answers it in its own way says so by ``refuses_large_bodies``.
        """
        if is_too_large(request) and not hasattr(view, "refuses_large_bodies"):
            return problem_response(request, TooLarge())
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return problem_response(request, exception) if isinstance(exception, Problem) else None


# Ninja's own exceptions, for core.api


def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Ninja wraps what goes wrong while it reads the body; a Problem inside keeps its meaning."""
    if isinstance(error, AuthenticationError):
        return problem_response(request, LoginRequired())
    if isinstance(error.__cause__, Problem):
        return problem_response(request, error.__cause__)
    return problem_response(request, Problem(_("The body is not what its content type says.")))


def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return problem_response(request, invalid_input(error))


def on_not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem_response(request, NotFound())


# Django's handlers, for core.urls and CSRF_FAILURE_VIEW


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    too_large = isinstance(exception, RequestDataTooBig)
    return problem_response(request, TooLarge() if too_large else Problem())


def csrf_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    return problem_response(request, CSRFRefused())


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(request, Forbidden())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(request, NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer without asking anything of what may be broken: no session, no database."""
    if audience(request) is Audience.CLIENT:
        return problem_response(request, ServerError())
    return HttpResponse(render_to_string("500.html"), status=500)


def login_required(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Refuse a view to those who are not logged in, as each audience understands it."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            raise LoginRequired
        return view(request, *args, **kwargs)

    return guarded
