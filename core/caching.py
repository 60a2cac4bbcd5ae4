"""What belongs to somebody is kept by nobody: no proxy, no browser on a shared computer."""

from collections.abc import Callable

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse


def no_store_for_accounts(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Forbid, by a middleware, to store what was made for somebody who is logged in.

    A view that says how it may be kept has its way; one that looked at no session, as that of the
    pictures, is everybody's.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        is_somebodys = request.session.accessed and SESSION_KEY in request.session
        if is_somebodys and not response.has_header("Cache-Control"):
            response["Cache-Control"] = "no-store"
        return response

    return middleware
