"""Mark the methods that change something: no template can call them."""

from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def alters_data(method: Method) -> Method:
    """Set the mark that Django's templates look for."""
    method.alters_data = True  # type: ignore[attr-defined]
    return method
