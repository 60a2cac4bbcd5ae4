"""How Alipay says no: a code with its msg, a sub_code with its sub_msg."""

from __future__ import annotations

from typing import Any

MSGS = {
    "10000": "Success",
    "20000": "Service Currently Unavailable",
    "20001": "Insufficient Token Permissions",
    "40001": "Missing Required Arguments",
    "40002": "Invalid Arguments",
    "40003": "Conditions insufficient",
    "40004": "Business Failed",
    "40005": "Call Limited",
    "40006": "Insufficient Permissions",
}

SUB_MSGS = {
    "isp.unknow-error": "系统繁忙",
    "isv.missing-method": "缺少方法名参数",
    "isv.missing-app-id": "缺少AppID参数",
    "isv.missing-signature": "缺少签名参数",
    "isv.missing-signature-type": "缺少签名类型参数",
    "isv.missing-timestamp": "缺少时间戳参数",
    "isv.missing-version": "缺少版本参数",
    "isv.invalid-app-id": "无效的AppID参数",
    "isv.invalid-method": "不存在的方法名",
    "isv.invalid-format": "无效的数据格式",
    "isv.invalid-signature-type": "无效的签名类型",
    "isv.invalid-timestamp": "非法的时间戳参数",
    "isv.invalid-charset": "字符集错误",
    "isv.invalid-parameter": "参数无效",
    "isv.insufficient-isv-permissions": "ISV权限不足，建议在开发者中心检查对应功能是否已经添加",
    "ACQ.SYSTEM_ERROR": "系统错误",
    "ACQ.INVALID_PARAMETER": "参数无效",
    "ACQ.TOTAL_FEE_EXCEED": "订单总金额超过限额",
    "ACQ.TRADE_NOT_EXIST": "交易不存在",
    "ACQ.TRADE_STATUS_ERROR": "交易状态不合法",
    "ACQ.TRADE_HAS_SUCCESS": "交易已被支付",
    "ACQ.TRADE_HAS_CLOSE": "交易已经关闭",
    "ACQ.TRADE_HAS_FINISHED": "交易已完结",
    "ACQ.TRADE_BUYER_NOT_MATCH": "交易买家不匹配",
    "ACQ.CONTEXT_INCONSISTENT": "交易信息被篡改",
    "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR": "当前时间已超过允许支付的时间",
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL": "撤销或退款金额与订单金额不一致",
    "ACQ.REASON_TRADE_REFUND_FEE_ERR": "退款金额无效",
    "ACQ.REFUND_FEE_ERROR": "退款金额有误",
    "ACQ.REASON_TRADE_STATUS_INVALID": "交易状态异常",
    "ACQ.DISCORDANT_REPEAT_REQUEST": "不一致的请求",
    "ACQ.SELLER_BALANCE_NOT_ENOUGH": "卖家余额不足",
    "ACQ.TRADE_CANCEL_TIME_OUT": "超过撤销时间范围",
    "ACQ.CANCEL_NOT_ALLOWED": "不允许撤销",
    "BILL_NOT_EXIST": "账单不存在",
    "INVAILID_ARGUMENTS": "入参不合法",
    "BILL_DATE_BEFORE_REGISTRATION": "账单日期早于商户入驻日期",
    "TYPE_NOT_SUPPORTED": "账单类型不支持",
}


class Refusal(Exception):
    """A call, or a buyer, is refused."""

    def __init__(
        self,
        sub_code: str,
        *,
        code: str = "40004",
        sub_msg: str = "",
        fields: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(sub_code)
        self.sub_code = sub_code
        self.code = code
        known = SUB_MSGS.get(sub_code) or SUB_MSGS.get(sub_code.rpartition(".")[2], "")
        self.sub_msg = sub_msg or known
        self.fields = fields or {}

    @property
    def node(self) -> dict[str, Any]:
        """The refusal as an answer's node."""
        node = {"code": self.code, "msg": MSGS.get(self.code, "Business Failed")}
        if self.sub_code:
            node |= {"sub_code": self.sub_code, "sub_msg": self.sub_msg or self.sub_code}
        return {**node, **self.fields}


def missing(what: str) -> Refusal:
    """40001: a public parameter was not sent."""
    return Refusal(f"isv.missing-{what}", code="40001")


def invalid(what: str, sub_msg: str = "") -> Refusal:
    """40002: a public parameter is wrong."""
    return Refusal(f"isv.invalid-{what}", code="40002", sub_msg=sub_msg)


def bad_parameter(name: str) -> Refusal:
    """40004: a field of biz_content is wrong."""
    return Refusal("ACQ.INVALID_PARAMETER", sub_msg=f"参数无效：{name}")
