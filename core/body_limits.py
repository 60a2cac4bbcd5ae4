"""How large a request's body may be, by its address.

The server (`core.rsgi`) stops reading where the limit is, so that what a stranger sends is kept
neither in memory nor on disk; `core.problems` then refuses the request in the shop's words, as it
does behind any other server.
"""

from django.conf import settings
from django.http import HttpRequest

# Bytes, by the beginning of an address; each room adds its own, beside the view. All else may be
# as large as DATA_UPLOAD_MAX_MEMORY_SIZE.
BODY_LIMITS: dict[str, int] = {}


def body_limit(path: str) -> int:
    """Return how many bytes may be sent to an address."""
    limits = (limit for prefix, limit in BODY_LIMITS.items() if path.startswith(prefix))
    return next(limits, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


def is_too_large(request: HttpRequest) -> bool:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return length.isdigit() and int(length) > body_limit(request.path_info)
