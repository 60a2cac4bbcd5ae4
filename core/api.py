"""The JSON API: routers by name, a Problem for every refusal, documents from the machine itself."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.urls import URLPattern
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from core import problems
from core.operations import BodyReader


class ShopAPI(NinjaAPI):
    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        """Say that a refusal is ``application/problem+json``, which Ninja cannot declare."""
        schema = super().get_openapi_schema(**kwargs)
        for operations in schema["paths"].values():
            for operation in operations.values():
                for status, response in operation["responses"].items():
                    if int(status) >= 400 and "content" in response:
                        response["content"] = {
                            "application/problem+json": response["content"]["application/json"]
                        }
        return schema


api = ShopAPI(
    title="Guitai 柜台",
    version="1",
    description=(
        "Products, orders and their payment by Alipay. Money is a string with two decimals, in "
        "yuan; times are RFC 3339. A refusal is problem+json (RFC 9457). Log in on the site: the "
        "session cookie is the credential, and what writes carries `X-CSRFToken`."
    ),
    docs_url="/api/docs",
    openapi_url="/api/openapi.json",
    urls_namespace="api",
    parser=BodyReader(),
)
api.add_router("/api/v1/users", "users.api.router", tags=["users"])
api.add_router("/api/v1/products", "products.api.router", tags=["products"])
api.add_router("/api/v1/orders", "orders.api.router", tags=["orders"])
api.add_router("/order", "orders.api.buy_now_router", tags=["orders"])
api.add_router("/api/v1/orders", "payments.api.router", tags=["orders"])

HANDLERS: dict[type[Exception], Callable[..., HttpResponse]] = {
    problems.Problem: problems.problem_response,
    HttpError: problems.on_http_error,
    ValidationError: problems.on_invalid,
    Http404: problems.on_not_found,
    RequestDataTooBig: problems.bad_request,
    MultiPartParserError: problems.bad_request,
}
for exception, handler in HANDLERS.items():
    api.add_exception_handler(exception, handler)


def operation(name: str) -> URLPattern:
    """Return the address of an operation: among the pages of a room it has a name there too."""
    patterns: dict[str | None, Any] = {getattr(each, "name", None): each for each in api.urls[0]}
    return patterns[name]
