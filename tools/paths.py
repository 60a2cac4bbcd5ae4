"""Where things are."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SANDBOX = ROOT / "sandbox"
SHOP = ["core", "users", "products", "orders", "payments", "books", "letters", "desk"]
WINDOWS = sys.platform == "win32"
PYTHON = str(VENV / ("Scripts/python.exe" if WINDOWS else "bin/python"))
