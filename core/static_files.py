"""Static files: hashed and compressed where collectstatic has run, plain where it has not."""

from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):
    """A shop that was started without collectstatic looks right all the same, only slower."""

    manifest_strict = False

    def hashed_name(self, name: str, *args: Any, **kwargs: Any) -> str:
        try:
            return super().hashed_name(name, *args, **kwargs)
        except ValueError:  # the file has not been collected
            return name
