"""A browser, and before it the whole house as `run.py demo` opens it: shop, worker, sandbox."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from e2e.steps import House

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "test-results"
PATIENCE = 15_000  # milliseconds for a page to become what it should
READY = 180  # seconds, on a slow machine

expect.set_options(timeout=PATIENCE)
# Playwright's loop runs in the thread of the tests.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The demo, as a newcomer starts it, on free ports and in a folder of its own."""
    port, sandbox_port = free_port(), free_port()
    log = tmp_path_factory.mktemp("house") / "demo.log"
    with log.open("wb") as output:
        demo = subprocess.Popen(
            [
                sys.executable,
                str(ROOT / "run.py"),
                "demo",
                "--data",
                str(log.parent / "data"),
                "--port",
                str(port),
                "--sandbox-port",
                str(sandbox_port),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for_line(log, f"Shop ready at http://127.0.0.1:{port}\n", demo)
        yield House(
            shop=f"http://127.0.0.1:{port}",
            sandbox=f"http://127.0.0.1:{sandbox_port}",
            mail=log.parent / "data" / "logs" / "worker.log",
        )
    finally:
        demo.terminate()
        demo.wait(timeout=30)


def wait_for_line(log: Path, line: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(READY * 10):
        said = log.read_text(encoding="utf-8", errors="replace")
        if line in said:
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"The demo did not get ready:\n{said}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("GUITAI_CHROMIUM") or None,
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()


NewPage = Callable[..., Page]


@pytest.fixture
def new_page(browser: Browser, house: House, request: pytest.FixtureRequest) -> Iterator[NewPage]:
    """Open a page in a browser profile of its own; when the test fails, keep a picture of it.

    What the page's console complains of, above all a breach of the Content Security Policy,
    fails the test.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def listen(message: Any) -> None:
        # A refusal (4xx) is what some tests are about; the browser notes each.
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def open_page(**options: Any) -> Page:
        defaults = {
            "base_url": house.shop,
            "locale": "zh-CN",
            "viewport": {"width": 1280, "height": 900},
        }
        context = browser.new_context(**{**defaults, **options})
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page

    report = getattr(request.node, "report", None)
    if report is not None and report.failed:
        PICTURES.mkdir(exist_ok=True)
        for number, page in enumerate(page for context in contexts for page in context.pages):
            page.screenshot(path=PICTURES / f"{request.node.name}-{number}.png", full_page=True)
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(new_page: NewPage) -> Page:
    return new_page()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Let the fixtures know how the test went."""
    outcome: Any = yield
    if outcome.get_result().when == "call":
        item.report = outcome.get_result()  # type: ignore[attr-defined]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the attacks come last: they leave the demo in a mess."""
    items.sort(key=lambda item: "attacks" in item.path.parts)
