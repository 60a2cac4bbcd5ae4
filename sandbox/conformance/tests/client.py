"""One client, and what a merchant does with it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass, field
from typing import Any

from .installed import Command


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who calls which Alipay; the private key in PKCS#1, which all clients can read."""

    gateway: str
    app_id: str
    private_key: str = field(repr=False)
    alipay_public_key: str = field(repr=False)
    sign_type: str = "RSA2"
    charset: str = "utf-8"


class Declined(Exception):
    """The client raised an error instead of giving an answer."""

    def __init__(self, error: str, words: str) -> None:
        super().__init__(f"{error}: {words}")
        self.error, self.words = error, words


class Program:
    """A client's program, running."""

    def __init__(self, name: str, command: Command) -> None:
        self.name = name
        local = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        self._process = subprocess.Popen(
            command.arguments,
            env=os.environ | local | command.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def ask(self, **command: Any) -> dict[str, Any]:
        """Let it do something; what it raises is raised here."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"{self.name} has died"
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Declined(answer["error"], answer["words"])
        return answer

    def stop(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


@dataclass(frozen=True)
class Client:
    """A merchant's client: it signs calls, and verifies answers, notices and returns."""

    program: Program
    account: Account

    @property
    def name(self) -> str:
        return self.program.name

    def call(self, method: str, biz: dict[str, Any], **public: str) -> dict[str, Any]:
        """Call an API; give the node, whose signature the client has verified."""
        node: dict[str, Any] = self._ask("call", method=method, biz=biz, public=public)["node"]
        return node

    def trace_id(self, method: str, biz: dict[str, Any]) -> str:
        """Call an API; give the number that Alipay would be asked about."""
        trace_id: str = self._ask("call", method=method, biz=biz, public={})["trace_id"]
        return trace_id

    def page(self, verb: str, method: str, biz: dict[str, Any], **public: str) -> str:
        """Make what sends a buyer to Alipay: an address (GET) or a form (POST)."""
        made = self._ask("page", verb=verb, method=method, biz=biz, public=public)
        page: str = made["page"]
        return page

    def verifies(self, fields: dict[str, str]) -> bool:
        """Say whether the client takes a notice, or a return, for Alipay's."""
        return self._ask("verify", fields=fields)["genuine"] is True

    def _ask(self, do: str, **command: Any) -> dict[str, Any]:
        return self.program.ask(do=do, account=asdict(self.account), **command)
