"""Compile the translations where that has not been done, without gettext's own programs."""

from __future__ import annotations

from pathlib import Path


def compile_catalogues() -> None:
    """Make each ``django.mo`` that is missing or older than its ``django.po``.

    A folder that cannot be written to leaves the pages in English.
    """
    for po in (Path(__file__).parent / "locale").glob("*/LC_MESSAGES/django.po"):
        mo = po.with_suffix(".mo")
        if mo.exists() and mo.stat().st_mtime >= po.stat().st_mtime:
            continue
        from babel.messages.mofile import write_mo
        from babel.messages.pofile import read_po

        with po.open("rb") as text:
            catalogue = read_po(text)
        try:
            with mo.open("wb") as compiled:
                write_mo(compiled, catalogue)
        except OSError:
            mo.unlink(missing_ok=True)
