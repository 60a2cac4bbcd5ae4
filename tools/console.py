"""What is said to the person at the terminal."""


class Trouble(Exception):
    """What stops us, in one sentence for a person."""


def say(text: str = "") -> None:
    print(text, flush=True)
