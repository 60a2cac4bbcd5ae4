"""A Chromium for the tests: one that is there, or one that can be installed."""

import os
import shutil
from pathlib import Path

from tools.console import Trouble, say
from tools.environment import environment
from tools.paths import PYTHON, WINDOWS
from tools.processes import captured, last_line


def browser() -> str:
    """Return the path of a Chromium, having installed one if there was none."""
    path = os.environ.get("GUITAI_CHROMIUM") or chromium_of_playwright() or chromium_of_system()
    said = ""
    if not path:
        say("Installing Chromium by Playwright ...")
        command = [PYTHON, "-m", "playwright", "install", "chromium"]
        said = captured(command, env=environment())[1]
        path = chromium_of_playwright()
    if not path and shutil.which("apt-get") and os.geteuid() == 0:
        say("Installing Debian's package chromium ...")
        install = ["apt-get", "install", "-y", "--no-install-recommends"]
        for command in ["apt-get", "update"], [*install, "chromium", "fonts-noto-cjk"]:
            said = captured(command, env=environment(DEBIAN_FRONTEND="noninteractive"))[1]
        path = chromium_of_system()
    if not path:
        raise Trouble(
            "There is no Chromium or Chrome, and none could be installed "
            f"({last_line(said, 'E')}): install one, or put its path into GUITAI_CHROMIUM."
        )
    say(f"The browser is {path}")
    return path


def chromium_of_playwright() -> str:
    question = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as playwright: print(playwright.chromium.executable_path)"
    )
    answer = captured([PYTHON, "-c", question], env=environment())[1].strip()
    return answer if runs(answer) else ""


def chromium_of_system() -> str:
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    places = [shutil.which(name) or "" for name in names]
    places += ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]
    programs = [os.environ.get(name, "") for name in ("ProgramFiles", "ProgramFiles(x86)")]
    for program in (
        "Google/Chrome/Application/chrome.exe",
        "Microsoft/Edge/Application/msedge.exe",
    ):
        places += [str(Path(folder, program)) for folder in programs if folder]
    return next((place for place in places if runs(place)), "")


def runs(program: str) -> bool:
    """Tell whether a browser is there and, where it can be asked in silence, starts."""
    if not program or not Path(program).is_file():
        return False
    return WINDOWS or captured([program, "--version"], env=environment())[0] == 0
