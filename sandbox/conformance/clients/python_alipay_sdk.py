"""python-alipay-sdk: its own method for a call where it has one, else its generic one."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from alipay import AliPay


def do(command: dict[str, Any]) -> dict[str, Any]:
    account = command["account"]
    client = client_of(**account)
    if command["do"] == "verify":
        fields = command["fields"]
        signature = fields.pop("sign", "")
        return {"genuine": client.verify(fields, signature)}
    if command["do"] == "page":
        if command["verb"] != "GET":
            raise NotImplementedError("it makes an address, no form")
        query = run(client, command, generic=client.client_api)
        return {"page": f"{account['gateway']}?{query}"}
    return {"node": run(client, command, generic=client.server_api)}


@cache
def client_of(
    *,
    gateway: str,
    app_id: str,
    private_key: str,
    alipay_public_key: str,
    sign_type: str,
    charset: str,
) -> AliPay:
    """Make a client, once: reading its keys takes longer than a call. It speaks UTF-8 only."""
    client = AliPay(
        appid=app_id,
        app_private_key_string=private_key,
        alipay_public_key_string=alipay_public_key,
        sign_type=sign_type,
    )
    client._gateway = gateway
    return client


def run(client: AliPay, command: dict[str, Any], *, generic: Any) -> Any:
    method, biz, public = command["method"], command["biz"], command["public"]
    try:
        own = getattr(client, "api_" + method.replace(".", "_"))
        inspect.signature(own).bind(**biz, **public)
    except (AttributeError, TypeError):
        return generic(method, biz, **public)
    return own(**biz, **public)
