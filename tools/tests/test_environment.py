"""A demo or a test hears nothing of the caller's real shop."""

import pytest

from tools.environment import environment


def test_environment_keeps_the_callers_shop_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIPAY_APP_ID", "the real one")
    monkeypatch.setenv("SECRET_KEY_FILE", "/the/real/key")
    monkeypatch.setenv("EMAIL_URL", "smtp://real.example")
    monkeypatch.setenv("LANG", "C.UTF-8")

    settings = environment(DEBUG="false")

    ours = {"ALIPAY_APP_ID", "SECRET_KEY", "SECRET_KEY_FILE", "EMAIL_URL", "LANG", "DEBUG"}
    assert {name: settings[name] for name in ours & settings.keys()} == {
        "LANG": "C.UTF-8",
        "DEBUG": "false",
    }
