"""A merged migration is never edited: somewhere a shop has run it as it was."""

from hashlib import sha256
from pathlib import Path

from django.conf import settings

MERGED = Path(__file__).parent / "migrations.sha256"


def migrations() -> list[Path]:
    """Return every file that a migration runs, the functions that make the triggers too."""
    files = sorted(
        path
        for folder in ("*", "sandbox/*")
        for path in settings.BASE_DIR.glob(f"{folder}/migrations/[0-9]*.py")
    )
    return [*files, settings.BASE_DIR / "core" / "triggers.py"]


def line(file: Path) -> str:
    digest = sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    return f"{digest}  {file.relative_to(settings.BASE_DIR).as_posix()}"


def test_merged_migrations_stay_as_they_are() -> None:
    """A new one is written down by adding the line that this test shows, in the same commit."""
    assert [line(file) for file in migrations()] == MERGED.read_text().splitlines()
