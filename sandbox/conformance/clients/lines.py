"""A conversation with a client: commands in, what it made of them out, each a line of JSON.

python lines.py alipay_sdk_python
"""

from __future__ import annotations

import json
import sys
from importlib import import_module


def main(client: str) -> None:
    do = import_module(client).do
    for line in sys.stdin:
        try:
            answer = do(json.loads(line))
        except Exception as error:  # noqa: BLE001  whatever a client raises is its answer
            answer = {"error": type(error).__name__, "words": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


main(sys.argv[1])
