"""The strings that are signed, by test vectors that no key is needed for."""

import hashlib
import json

import pytest
from cryptography.hazmat.primitives import serialization

from alipay_twin import wire
from tests.outside import new_key, public_pem

REQUEST = {
    "version": "1.0",
    "app_id": "2021000000000001",
    "method": "alipay.trade.page.pay",
    "charset": "utf-8",
    "sign_type": "RSA2",
    "timestamp": "2026-01-02 03:04:05",
    "notify_url": "http://127.0.0.1:8000/pay/notify/",
    "return_url": "http://127.0.0.1:8000/pay/return/",
    "biz_content": '{"subject":"\\u6d4b\\u8bd5 A+B","out_trade_no":"T20260102_1",'
    '"total_amount":"0.10","product_code":"FAST_INSTANT_TRADE_PAY"}',
    "sign": "whatever",
}
NOTICE = {
    "sign": "whatever",
    "sign_type": "RSA2",
    "app_id": "2021000000000001",
    "auth_app_id": "2021000000000001",
    "buyer_id": "2088000000000002",
    "buyer_pay_amount": "0.10",
    "charset": "utf-8",
    "fund_bill_list": '[{"amount":"0.10","fundChannel":"ALIPAYACCOUNT"}]',
    "gmt_create": "2026-01-02 03:04:10",
    "gmt_payment": "2026-01-02 03:04:20",
    "invoice_amount": "0.10",
    "notify_id": "2026010200222030421000000000000001",
    "notify_time": "2026-01-02 03:04:21",
    "notify_type": "trade_status_sync",
    "out_trade_no": "T20260102_1",
    "point_amount": "0.00",
    "receipt_amount": "0.10",
    "seller_id": "2088000000000001",
    "subject": "测试 A+B",
    "total_amount": "0.10",
    "trade_no": "2026010222001400000000000001",
    "trade_status": "TRADE_SUCCESS",
    "version": "1.0",
}
RETURN = {
    "app_id": "2021000000000001",
    "auth_app_id": "2021000000000001",
    "charset": "utf-8",
    "method": "alipay.trade.page.pay.return",
    "out_trade_no": "T20260102_1",
    "seller_id": "2088000000000001",
    "timestamp": "2026-01-02 03:04:22",
    "total_amount": "0.10",
    "trade_no": "2026010222001400000000000001",
    "version": "1.0",
    "sign_type": "RSA2",
    "sign": "whatever",
}
PRECREATED = {
    "qr_code": "https://qr.alipay.com/bax00000000000000000000",
    "out_trade_no": "T20260102_1",
    "msg": "Success",
    "code": "10000",
}
NOT_EXIST = {
    "sub_msg": "交易不存在",
    "code": "40004",
    "receipt_amount": "0.00",
    "buyer_pay_amount": "0.00",
    "msg": "Business Failed",
    "sub_code": "ACQ.TRADE_NOT_EXIST",
    "invoice_amount": "0.00",
    "out_trade_no": "T20260102_1",
    "point_amount": "0.00",
}


@pytest.mark.parametrize(
    ("text", "length", "digest"),
    [
        (
            wire.request_string(REQUEST),
            347,
            "e2ced2fd8d7857e284fd6c3baca4d44a37e23d33aad37a2445d7a1099e1ff082",
        ),
        (
            wire.node_text(PRECREATED),
            122,
            "f5684106e7a8235ff14d25424825b02fa48399e21f006ac6b0403f77e96f0a33",
        ),
        (
            wire.node_text(NOT_EXIST),
            226,
            "e5361f001cc772071fc98bbbf4020a88568ef1958f04d1c41c7b2f6cf856bc0d",
        ),
        (
            wire.message_string(NOTICE),
            573,
            "720bb3aa8c24e4cc1df70929e6fb5dcebaad2cc42c72ecca6c9901fc0ad7c085",
        ),
        (
            wire.message_string(RETURN),
            252,
            "fb2aca75e1a3019fbd16be0aba7143bc9c20ff930f0777e1143a2127c1192ab9",
        ),
    ],
    ids=["request", "answer", "refusal", "notice", "return"],
)
def test_string_to_sign_is_the_known_one(text: str, length: int, digest: str) -> None:
    raw = text.encode()

    assert (len(raw), hashlib.sha256(raw).hexdigest()) == (length, digest)


def test_string_to_sign_leaves_out_what_is_empty() -> None:
    fields = {"b": "2", "a": "", "C": "3", "sign": "x", "sign_type": "RSA2"}

    assert wire.request_string(fields) == "C=3&b=2&sign_type=RSA2"
    assert wire.request_string(fields, keep_empty=True) == "C=3&a=&b=2&sign_type=RSA2"
    assert wire.message_string(fields) == "C=3&b=2"


def test_node_text_escapes_slashes_and_leaves_chinese() -> None:
    text = wire.node_text({"msg": "a/b 茶", "code": "1", "zz": [{"y": "/"}], "aa": '"'})

    assert text == '{"code":"1","msg":"a\\/b 茶","aa":"\\"","zz":[{"y":"\\/"}]}'
    assert json.loads(text)["msg"] == "a/b 茶"


def test_envelope_puts_the_node_first() -> None:
    assert wire.envelope("n", "{}", "S") == '{"n":{},"sign":"S"}'
    assert wire.envelope("n", "{}", None) == '{"n":{}}'


def test_signature_is_that_of_the_text_and_the_key() -> None:
    key, stranger = new_key(), new_key()

    sign = wire.signature("茶 + 1", key)

    assert len(sign) == 344
    assert wire.is_signed("茶 + 1", sign, key.public_key())
    assert not wire.is_signed("茶 + 2", sign, key.public_key())
    assert not wire.is_signed("茶 + 1", sign, stranger.public_key())
    for garbage in ("", "not base64", "YQ==", sign[:-4], sign + "\n"):
        assert not wire.is_signed("茶 + 1", garbage, key.public_key())


def test_keys_are_read_in_every_form() -> None:
    key = new_key()
    pkcs8 = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    pem = public_pem(key)

    for text in (wire.private_pem(key), wire.bare(wire.private_pem(key)), pkcs8, wire.bare(pkcs8)):
        assert wire.public_pem(wire.private_key(text).public_key()) == pem
    for text in (pem, wire.bare(pem), f"  {pem}\n"):
        assert wire.public_pem(wire.public_key(text)) == pem
    for garbage in ("", "garbage", wire.private_pem(key)):
        with pytest.raises(ValueError, match=r".+"):
            wire.public_key(garbage)


def test_parameters_are_decoded_once() -> None:
    assert wire.pairs(b"a=1%2B1+%252B&b=%E8%8C%B6&&c", "utf-8") == [
        ("a", "1+1 %2B"),
        ("b", "茶"),
        ("c", ""),
    ]


def test_parameters_of_address_and_body_must_agree() -> None:
    assert wire.merged(b"a=1&b=2", b"b=2&c=3", "utf-8") == {"a": "1", "b": "2", "c": "3"}
    with pytest.raises(wire.Malformed):
        wire.merged(b"a=1", b"a=2", "utf-8")


@pytest.mark.parametrize(
    ("query", "content_type", "charset"),
    [
        (b"charset=utf-8", "", "utf-8"),
        (b"charset=UTF-8", "text/plain;charset=gbk", "utf-8"),
        (b"charset=GB2312", "", "gbk"),
        (b"", "application/x-www-form-urlencoded; charset=UTF-8", "utf-8"),
        (b"", "application/x-www-form-urlencoded", "gbk"),
        (b"charset=klingon", "", "gbk"),
    ],
)
def test_charset_is_read_where_alipay_reads_it(
    query: bytes, content_type: str, charset: str
) -> None:
    assert wire.charset_of(query, content_type) == charset
