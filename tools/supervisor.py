"""The program between run.py and a process that it started: see tools.processes.Supervised.

It is run as a file, by its path, so it imports nothing of ours.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from typing import NoReturn

WINDOWS = sys.platform == "win32"
# Seconds between asking a process to end and ending it.
GRACE = 5


def supervise(command: list[str]) -> NoReturn:
    """Run a process, and end all that it started when it ends, or when our pipe does."""
    if WINDOWS:
        join_a_job()
    elif os.getpgrp() != os.getpid():
        os.setsid()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    if not WINDOWS:
        # The process gets what the group is sent; the supervisor stays until it has ended.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=end_group_with_parent, daemon=True).start()
    code = process.wait()
    print(f"run.py: this process ended with exit code {code}", flush=True)
    end_group_at_once()


def end_group_with_parent() -> None:
    sys.stdin.buffer.read()
    if not WINDOWS:
        os.killpg(0, signal.SIGTERM)
        time.sleep(GRACE)
    end_group_at_once()


def end_group_at_once() -> NoReturn:
    if not WINDOWS:
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def join_a_job() -> None:
    """Put this process into a Windows job, which ends all its processes with its last handle.

    That handle is this process's alone, so it closes when the process ends, in whatever way.
    """
    import ctypes  # noqa: PLC0415  not every POSIX Python has it

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.CreateJobObjectW.restype = kernel.GetCurrentProcess.restype = ctypes.c_void_p
    job = ctypes.c_void_p(kernel.CreateJobObjectW(None, None))
    # A JOBOBJECT_EXTENDED_LIMIT_INFORMATION of 144 bytes: its LimitFlags are the fifth word.
    limits = (ctypes.c_uint32 * 36)()
    limits[4] = 0x2000  # JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    kernel.SetInformationJobObject(job, 9, ctypes.byref(limits), ctypes.sizeof(limits))
    kernel.AssignProcessToJobObject(job, ctypes.c_void_p(kernel.GetCurrentProcess()))


if __name__ == "__main__":
    supervise(sys.argv[1:])
