"""What the gateway refuses before any business is done: one check after the other.

Their order is not documented by Alipay; HTTP's status is 200 whatever is wrong.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from .. import keyring, wire
from ..accounts import accounts
from ..behaviour import rules
from ..clock import read_stamp, real_now
from ..refusals import Refusal, invalid, missing
from ..requestlog import clipped
from .call import Call
from .methods import NOT_PERMITTED, is_known


def check(call: Call) -> None:
    """Refuse a call by the first check that it fails."""
    for refuse in CHECKS:
        refuse(call)


def check_method(call: Call) -> None:
    if not call.method:
        raise missing("method")
    if not is_known(call.method):
        raise invalid("method")


def check_app(call: Call) -> None:
    app_id = call.parameters.get("app_id")
    if not app_id:
        raise missing("app-id")
    call.merchant = accounts.merchant(app_id)
    if call.merchant is None:
        raise invalid("app-id")


def check_sign(call: Call) -> None:
    if not call.parameters.get("sign"):
        raise missing("signature")


def check_sign_type(call: Call) -> None:
    sign_type = call.parameters.get("sign_type")
    if not sign_type:
        raise missing("signature-type")
    if sign_type not in (("RSA2", "RSA") if rules.behaviour.allow_rsa else ("RSA2",)):
        raise invalid("signature-type")
    call.sign_type = sign_type


def check_timestamp(call: Call) -> None:
    text = call.parameters.get("timestamp")
    if not text:
        raise missing("timestamp")
    instant = read_stamp(text)
    if instant is None:
        raise invalid("timestamp")
    # A merchant lives in real time, however far the sandbox's clock has been turned.
    skew = rules.behaviour.timestamp_skew
    if skew is not None and abs(instant - real_now()) > timedelta(seconds=skew):
        raise invalid("timestamp", "非法的时间戳参数，与北京时间相差过大")


def check_version(call: Call) -> None:
    version = call.parameters.get("version")
    if not version:
        raise missing("version")
    if version != "1.0":
        raise invalid("parameter", "无效的版本参数")


def check_charset(call: Call) -> None:
    if call.parameters.get("charset", "").lower() not in wire.CHARSETS:
        raise invalid("charset")


def check_format(call: Call) -> None:
    if call.parameters.get("format", "JSON").upper() != "JSON":
        raise invalid("format")


def check_addresses(call: Call) -> None:
    for name in ("notify_url", "return_url"):
        address = call.parameters.get(name, "")
        if address and (len(address) > 256 or not address.startswith(("http://", "https://"))):
            raise invalid("parameter", f"无效的 {name} 参数")


def check_signature(call: Call) -> None:
    key = keyring.app_key(call.app.app_public_key)
    texts = [wire.request_string(call.parameters)]
    with_empty = wire.request_string(call.parameters, keep_empty=True)
    if with_empty != texts[0]:
        texts.append(with_empty)  # some clients sign their empty parameters too
    call.entry.string_verified = clipped(texts[0])
    for text in texts:
        if wire.is_signed(
            text,
            call.parameters["sign"],
            key,
            charset=call.charset,
            sign_type=call.sign_type,
        ):
            call.entry.string_verified = clipped(text)
            return
    raise Refusal(
        "isv.invalid-signature",
        code="40002",
        sub_msg="验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配，"
        "请确认charset参数放在了URL查询字符串中，"
        f"网关生成的验签字符串为：{html.escape(texts[0])}",
    )


def check_permission(call: Call) -> None:
    if call.method in NOT_PERMITTED:
        raise Refusal("isv.insufficient-isv-permissions", code="40006")


def check_biz_content(call: Call) -> None:
    text = call.parameters.get("biz_content")
    if not text:
        return
    biz: Any
    try:
        biz = json.loads(text, parse_float=Decimal)
        # Half a surrogate pair is JSON, but no text that could be kept or sent.
        json.dumps(biz, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError):
        biz = None
    if not isinstance(biz, dict):
        raise invalid("parameter", "biz_content 不是合法的 JSON 对象")
    call.biz = biz


CHECKS: tuple[Callable[[Call], None], ...] = (
    check_method,
    check_app,
    check_sign,
    check_sign_type,
    check_timestamp,
    check_version,
    check_charset,
    check_format,
    check_addresses,
    check_signature,
    check_permission,
    check_biz_content,
)
