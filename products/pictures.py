"""What happens to a picture that an operator uploads.

    1. weigh    no more than 5 MB
    2. look     at what it is, by its content: JPEG, PNG or WebP, neither tiny nor huge
    3. turn     it as its camera was held
    4. redraw   it, no larger than the shop shows, as a WebP that holds nothing but the picture
    5. name     it anew: a name tells where a file came from

What was uploaded is never served; only what was drawn anew from it.
"""

import io
import secrets
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin.widgets import AdminFileWidget
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from core.body_limits import BODY_LIMITS

MAX_FILE = 5 * 1024 * 1024  # bytes
# A form of the admin has a picture or a spreadsheet, and its fields beside it.
BODY_LIMITS["/admin/"] = MAX_FILE + settings.DATA_UPLOAD_MAX_MEMORY_SIZE
FORMATS = ("JPEG", "PNG", "WEBP")
SMALLEST_SIDE = 200  # pixels
LARGEST_SIDE = 8000
# A picture of few bytes may unfold to gigabytes: this is 200 MB in memory.
MAX_PIXELS = 50_000_000
SHOWN_SIDE = 1600
QUALITY = 82

# Pillow promises nothing of how it fails on half a file; ValidationError is none of these.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    OverflowError,
    MemoryError,
    Image.DecompressionBombError,
)


class PictureField(forms.FileField):
    """An upload that comes out as a picture of the shop's own making, or is refused in words."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            widget=AdminFileWidget(attrs={"accept": "image/jpeg,image/png,image/webp"}),
            help_text=_("JPEG, PNG or WebP, up to 5 MB, at least 200 pixels a side."),
            **options,
        )

    def to_python(self, data: Any) -> Any:
        upload = super().to_python(data)
        return None if upload is None else redrawn(upload)


def redrawn(upload: Any) -> ContentFile:
    """Return the picture as the shop keeps it, or raise ValidationError."""
    if upload.size > MAX_FILE:
        raise ValidationError(_("The picture is larger than 5 MB."))
    try:
        # Only these readers are let near what a stranger may have made.
        picture: Image.Image = Image.open(upload, formats=FORMATS)
        check_size(picture)
        picture.draft("RGB", (SHOWN_SIDE, SHOWN_SIDE))  # a JPEG need not be unfolded wholly
        picture = ImageOps.exif_transpose(picture)
        picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
        return as_webp(picture)
    except UnidentifiedImageError as trouble:
        raise ValidationError(_("This is not a JPEG, PNG or WebP picture.")) from trouble
    except DAMAGED as trouble:
        raise ValidationError(_("This picture is damaged.")) from trouble


def check_size(picture: Image.Image) -> None:
    width, height = picture.size
    if min(width, height) < SMALLEST_SIDE:
        raise ValidationError(
            _("The picture is %(width)s × %(height)s pixels; at least 200 a side are needed."),
            params={"width": width, "height": height},
        )
    if max(width, height) > LARGEST_SIDE or width * height > MAX_PIXELS:
        raise ValidationError(
            _("The picture is %(width)s × %(height)s pixels, which is too large."),
            params={"width": width, "height": height},
        )


def as_webp(picture: Image.Image) -> ContentFile:
    has_alpha = picture.has_transparency_data
    drawn = in_srgb(picture).convert("RGBA" if has_alpha else "RGB")
    data = io.BytesIO()
    drawn.save(data, "WEBP", quality=QUALITY, method=4, exif=b"", icc_profile=b"", xmp=b"")
    return ContentFile(data.getvalue(), name=f"{secrets.token_hex(16)}.webp")


def in_srgb(picture: Image.Image) -> Image.Image:
    """Return the picture in the colours that a browser assumes: its profile is not kept."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return picture
    try:
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        return (
            ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode=mode,
            )
            or picture
        )
    except (ImageCms.PyCMSError, OSError):
        return picture  # a profile of nonsense: slightly other colours are no reason to refuse


def delete_after_commit(storage: Storage, name: str | None) -> None:
    """Delete a picture that no product shows any more, once that is sure."""
    if name:
        transaction.on_commit(lambda: storage.delete(name))
