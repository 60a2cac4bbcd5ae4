"""Compile the translations where that has not been done, without gettext's own programs."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def compile_catalogues() -> None:
    """Make each ``django.mo`` that is missing or older than its ``django.po``.

    Without Babel, or in a folder that cannot be written to, the pages stay English.
    """
    if importlib.util.find_spec("babel") is None:
        return
    from babel.messages.mofile import write_mo  # noqa: PLC0415  the sandbox can do without
    from babel.messages.pofile import read_po  # noqa: PLC0415

    for po in (Path(__file__).parents[1] / "locale").glob("*/LC_MESSAGES/django.po"):
        mo = po.with_suffix(".mo")
        if mo.exists() and mo.stat().st_mtime >= po.stat().st_mtime:
            continue
        with po.open("rb") as text:
            catalogue = read_po(text)
        try:
            with mo.open("wb") as compiled:
                write_mo(compiled, catalogue)
        except OSError:
            mo.unlink(missing_ok=True)
