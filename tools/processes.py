"""Processes: one that runs to its end, and one that cannot outlive us."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from tools.console import Trouble, say
from tools.paths import PYTHON, ROOT, WINDOWS
from tools.supervisor import GRACE

SUPERVISOR = str(Path(__file__).with_name("supervisor.py"))


class Terminated(KeyboardInterrupt):
    """Somebody ended this process, not by Ctrl-C."""


def run(command: list[str], *, env: dict[str, str], cwd: Path = ROOT) -> int:
    """Run a command to its end, and return its exit code."""
    return captured(command, env=env, cwd=cwd, output=None)[0]


def captured(
    command: list[str],
    *,
    env: dict[str, str],
    cwd: Path = ROOT,
    output: int | None = subprocess.PIPE,
) -> tuple[int, str]:
    """Run a command to its end, and return its exit code and what it printed."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    with ended_when_interrupted(process):
        printed = process.communicate()[0]
    return process.returncode, printed or ""


@contextlib.contextmanager
def ended_when_interrupted(*processes: subprocess.Popen[Any]) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as interrupt:
        # Of Ctrl-C they know already, as every process of the terminal does.
        for process in processes:
            end_patiently(process, patience=0 if isinstance(interrupt, Terminated) else GRACE)
        raise


def end_patiently(process: subprocess.Popen[Any], *, patience: float) -> None:
    """Give a process time to end, then ask it to, and at last end it."""

    def ask() -> None:
        process.send_signal(signal.SIGTERM if WINDOWS else signal.SIGINT)

    for end in (ask, process.kill):
        try:
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            end()
            patience = 2 * GRACE


def manage(what: str, *command: str, env: dict[str, str]) -> str:
    """Say what happens, run a command of manage.py, and return what it printed."""
    say(f"{what} ...")
    code, output = captured([PYTHON, "manage.py", *command], env=env)
    if code:
        sys.stderr.write(output)
        raise Trouble(f"{what} failed: `manage.py {' '.join(command)}` says why above.")
    return output


def last_line(output: str, mark: str = "") -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    marked = [line for line in lines if line.startswith(mark)] or lines or ["nothing at all."]
    return marked[-1]


class Supervised:
    """A process that ends when we do, however we end, with all that it started itself.

    Between it and us stands a supervisor, which reads a pipe from us. The pipe ends when we close
    it, and also when we are killed; then the supervisor ends its whole process group. Should the
    supervisor be killed, we end the group; should the process die, the supervisor ends what is
    left of the group.
    """

    def __init__(self, name: str, command: list[str], *, env: dict[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as output:
            self.supervisor = subprocess.Popen(
                [sys.executable, SUPERVISOR, *command],
                cwd=ROOT,
                env=env,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for us alone: it is the pipe that tells the supervisor.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )

    @property
    def has_ended(self) -> bool:
        return self.supervisor.poll() is not None

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def release(self) -> None:
        """Ask the process to end."""
        with contextlib.suppress(OSError):
            self.supervisor.stdin.close()  # type: ignore[union-attr]

    def end(self) -> None:
        """End the process, and all that it started."""
        self.release()
        try:
            self.supervisor.wait(GRACE + 2)
        except subprocess.TimeoutExpired:
            self.supervisor.kill()
        if not WINDOWS:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.supervisor.pid, signal.SIGKILL)


def wait_until(
    is_ready: Callable[[], object], supervised: list[Supervised], *, seconds: float
) -> None:
    """Wait for something that the supervised processes will bring about."""
    deadline = time.monotonic() + seconds
    while not is_ready():
        raise_if_ended(supervised)
        if time.monotonic() > deadline:
            raise Trouble(
                f"The {supervised[-1].name} is not ready after {seconds:.0f} seconds; "
                f"{supervised[-1].log} may say why."
            )
        time.sleep(0.1)


def raise_if_ended(supervised: list[Supervised]) -> None:
    for process in supervised:
        if process.has_ended:
            tail = "\n".join(process.said().splitlines()[-20:])
            sys.stderr.write(f"{tail}\n")
            raise Trouble(
                f"The {process.name} ended by itself: its last lines are above, all in "
                f"{process.log}"
            )


@contextlib.contextmanager
def ended_afterwards(supervised: list[Supervised]) -> Iterator[None]:
    """End the processes of a list when the block is left, in whatever way."""
    try:
        yield
    finally:
        # Nothing may interrupt this; it lasts a few seconds at the most.
        for number in stop_signals():
            signal.signal(number, signal.SIG_IGN)
        for process in supervised:
            process.release()
        for process in supervised:
            process.end()
        heed_stop_signals()


def stop_signals() -> list[int]:
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def heed_stop_signals() -> None:
    """Let Ctrl-C, a polite kill, and a closed terminal or console all end us in order."""

    def stop(number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    for number in stop_signals():
        signal.signal(number, stop)
