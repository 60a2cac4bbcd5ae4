"""alipay-sdk-python, the official one: a request class for each method."""

from __future__ import annotations

import http.client
import json
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import rsa  # type: ignore[import-not-found]  # it is where this client is
from alipay.aop.api.AlipayClientConfig import AlipayClientConfig
from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient
from alipay.aop.api.util import WebUtils
from alipay.aop.api.util.SignatureUtils import get_sign_content, verify_with_rsa


def connection(url: str, query: str, timeout: int) -> tuple[str, http.client.HTTPConnection]:
    """Connect to any port: the client's own function knows 80 and 443 only."""
    parts = urlsplit(url)
    to = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    return f"{parts.path}?{query}", to


WebUtils.get_http_connection = connection


def do(command: dict[str, Any]) -> dict[str, Any]:
    account = command["account"]
    if command["do"] == "verify":
        return {"genuine": verified(command["fields"], account)}
    config = AlipayClientConfig()
    config.server_url = account["gateway"]
    config.app_id = account["app_id"]
    config.app_private_key = account["private_key"]
    config.alipay_public_key = account["alipay_public_key"]
    config.sign_type = account["sign_type"]
    config.charset = account["charset"]
    client = DefaultAlipayClient(config)
    if command["do"] == "page":
        return {"page": client.page_execute(request(command), command["verb"])}
    return {"node": json.loads(client.execute(request(command)))}


def request(command: dict[str, Any]) -> Any:
    """alipay.trade.query is AlipayTradeQueryRequest, in a module of that name."""
    name = "".join(part.capitalize() for part in command["method"].split(".")) + "Request"
    made = getattr(import_module(f"alipay.aop.api.request.{name}"), name)()
    made.biz_content = command["biz"]
    for field, value in command["public"].items():
        setattr(made, field, value)
    return made


def verified(fields: dict[str, str], account: dict[str, str]) -> bool:
    """Verify as its documents say: it has the parts, but no function for the whole."""
    signature = fields.pop("sign", "")
    fields.pop("sign_type", "")
    text = get_sign_content(fields).encode(account["charset"])
    try:
        return bool(verify_with_rsa(account["alipay_public_key"], text, signature))
    except rsa.VerificationError:
        return False
