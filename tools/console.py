"""What is said to the person at the terminal."""

import sys


class Trouble(Exception):
    """What stops us, in one sentence for a person."""


def say(text: str = "") -> None:
    print(text, flush=True)


def progress(text: str) -> None:
    """Say how far something long has come, in a line of a terminal that is written over."""
    if sys.stdout.isatty():
        print(f"{text[:79]:79}", end="\r", flush=True)
