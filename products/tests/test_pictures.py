"""A picture that is uploaded is looked at, drawn anew, and named anew."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import ExifTags, Image, PngImagePlugin

from conftest import make_product
from products import pictures
from products.models import Product

LIST = "/admin/products/product/"


def drawn(kind: str = "JPEG", size: tuple[int, int] = (400, 300), **options: Any) -> bytes:
    """A picture whose upper left corner is red."""
    mode = options.pop("mode", "RGB")
    image = Image.new("RGB", size, "teal")
    image.paste("red", (0, 0, 100, 100))
    data = io.BytesIO()
    image.convert(mode).save(data, kind, **options)
    return data.getvalue()


def upload(client: Client, product: Product, content: bytes, name: str = "tea.jpg") -> Any:
    form = {
        "name": product.name,
        "price": product.price,
        "stock": product.stock,
        "initial-stock": product.stock,
        "picture": SimpleUploadedFile(name, content),
    }
    return client.post(f"{LIST}{product.pk}/change/", form)


def kept(product: Product) -> Image.Image:
    product.refresh_from_db()
    with Image.open(product.picture.path) as picture:
        picture.load()
    return picture


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"mode": "L"}),
        ("JPEG", {"mode": "CMYK"}),
        ("PNG", {}),
        ("PNG", {"mode": "P"}),
        ("PNG", {"mode": "1"}),
        ("WEBP", {}),
    ],
)
def test_a_picture_is_kept_as_a_webp(
    operators: Client, tea: Product, kind: str, options: dict[str, Any]
) -> None:
    response = upload(operators, tea, drawn(kind, **options))

    assert response.status_code == 302
    assert (kept(tea).format, kept(tea).size) == ("WEBP", (400, 300))


def test_its_name_tells_nothing_of_the_upload(operators: Client, tea: Product) -> None:
    upload(operators, tea, drawn(), name="王小明 passport.php.jpg")

    tea.refresh_from_db()
    folder, name = str(tea.picture.name).split("/")
    assert folder == "products"
    assert len(name) == 37
    assert name.endswith(".webp")


def test_a_large_picture_is_made_smaller(operators: Client, tea: Product) -> None:
    upload(operators, tea, drawn(size=(4000, 3000)))

    assert kept(tea).size == (1600, 1200)


def test_a_picture_stands_as_its_camera_was_held(operators: Client, tea: Product) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # turn it to the right by a quarter

    upload(operators, tea, drawn(exif=exif))

    picture = kept(tea).convert("RGB")
    red, _green, blue = picture.getpixel((picture.width - 20, 20))  # type: ignore[misc]
    assert picture.size == (300, 400)
    assert red > 200 > blue


def test_where_it_was_taken_is_not_kept(operators: Client, tea: Product) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "secret camera"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[2] = (31.0, 14.0, 0.0)
    content = drawn(exif=exif)
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "secret author")

    for each in (content, drawn("PNG", pnginfo=text, exif=exif)):
        assert b"secret" in each
        upload(operators, tea, each)
        picture = kept(tea)
        assert not picture.getexif()
        assert b"secret" not in Path(tea.picture.path).read_bytes()


def test_what_is_transparent_stays_so(operators: Client, tea: Product) -> None:
    image = Image.new("RGBA", (300, 300), (255, 0, 0, 0))
    data = io.BytesIO()
    image.save(data, "PNG")

    upload(operators, tea, data.getvalue())

    assert kept(tea).getpixel((5, 5))[3] == 0  # type: ignore[index]


def gif() -> bytes:
    return drawn("GIF")


def half() -> bytes:
    content = drawn("PNG", size=(800, 800))
    return content[: len(content) // 2]


def bomb() -> bytes:
    """A file of few bytes that says it is 30 000 pixels wide."""
    content = bytearray(drawn("PNG"))
    content[16:24] = (30_000).to_bytes(4, "big") * 2
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<svg onload='alert(1)'/>", id="svg"),
        pytest.param(b"<?php echo 1;", id="script"),
        pytest.param(gif(), id="gif"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 300 300\n", id="eps"),
        pytest.param(half(), id="half"),
        pytest.param(bomb(), id="bomb"),
        pytest.param(drawn(size=(199, 400)), id="small"),
        pytest.param(drawn("PNG", size=(8001, 300)), id="wide"),
        pytest.param(drawn() + b"\0" * pictures.MAX_FILE, id="heavy"),
    ],
)
def test_what_is_no_fit_picture_is_refused_beside_its_input(
    operators: Client, tea: Product, content: bytes
) -> None:
    response = upload(operators, tea, content, name="tea.jpg")

    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == ["picture"]
    tea.refresh_from_db()
    assert not tea.picture


def test_the_most_pixels_are_bounded(
    operators: Client, tea: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 400 * 300 - 1)

    response = upload(operators, tea, drawn())

    assert list(response.context["adminform"].form.errors) == ["picture"]


def test_the_old_picture_leaves_when_the_new_one_is_sure(
    operators: Client, tea: Product, django_capture_on_commit_callbacks: Any
) -> None:
    upload(operators, tea, drawn())
    tea.refresh_from_db()
    old = Path(tea.picture.path)

    with django_capture_on_commit_callbacks(execute=True):
        upload(operators, tea, drawn("PNG"))
        is_there_before_the_commit = old.exists()

    assert is_there_before_the_commit
    assert not old.exists()
    assert kept(tea).format == "WEBP"


def test_an_edit_of_something_else_keeps_the_picture(
    operators: Client, tea: Product, django_capture_on_commit_callbacks: Any
) -> None:
    upload(operators, tea, drawn())
    form = {"name": "x", "price": 1, "stock": 10, "initial-stock": 10}

    with django_capture_on_commit_callbacks(execute=True):
        operators.post(f"{LIST}{tea.pk}/change/", form)

    assert kept(tea).format == "WEBP"


def test_a_picture_is_cleared(
    operators: Client, tea: Product, django_capture_on_commit_callbacks: Any
) -> None:
    upload(operators, tea, drawn())
    tea.refresh_from_db()
    old = Path(tea.picture.path)
    form = {"name": "x", "price": 1, "stock": 10, "initial-stock": 10, "picture-clear": "on"}

    with django_capture_on_commit_callbacks(execute=True):
        operators.post(f"{LIST}{tea.pk}/change/", form)

    tea.refresh_from_db()
    assert not tea.picture
    assert not old.exists()


def test_a_deleted_product_takes_its_picture_along(
    operators: Client, db: None, django_capture_on_commit_callbacks: Any
) -> None:
    cup = make_product(stock=0)
    upload(operators, cup, drawn())
    cup.refresh_from_db()
    old = Path(cup.picture.path)
    assert old.is_relative_to(settings.MEDIA_ROOT)

    with django_capture_on_commit_callbacks(execute=True):
        operators.post(f"{LIST}{cup.pk}/delete/", {"post": "yes"})

    assert not Product.objects.exists()
    assert not old.exists()
