"""What the documents name is there: each file, each folder, each link, and the rooms as drawn."""

import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from django.conf import settings

ROOT: Path = settings.BASE_DIR

# The changelog is not among them: it names what was there at its time.
DOCUMENTS = sorted(
    file
    for pattern in ("*.md", "docs/**/*.md", ".github/**/*.md")
    for file in ROOT.glob(pattern)
    if file.name != "CHANGELOG.md"
)

# payments/notify.py anywhere; `docs/adr/` in backticks; [words](the/target.md#of-a-link).
FILE = re.compile(
    r"(?<![\w./~:-])((?:[\w.-]+/)+[\w.-]+\."
    r"(?:css|html|js|json|md|po|py|sha256|svg|toml|txt|webp|ya?ml))\b"
)
FOLDER = re.compile(r"`((?:[\w.-]+/)+)`")
LINK = re.compile(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)")


def named(text: str) -> set[str]:
    """Return the files and folders that a text names, links left aside."""
    text = LINK.sub("]", text)
    return {*FILE.findall(text), *FOLDER.findall(text)}


def missing(document: Path) -> list[str]:
    """Return what a document names or leads to, and what is not there."""
    text = document.read_text(encoding="utf-8")
    gone = {name for name in named(text) if not (ROOT / name).exists()}
    return sorted(gone | {to for to in LINK.findall(text) if not (document.parent / to).exists()})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_a_document_names_is_there(document: Path) -> None:
    assert missing(document) == []


def test_what_is_not_there_is_found(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(
        "`core/settings.py`, `core/gone.py`, run core/tests/test_gone.py, `docs/adr/`, `gone/`,\n"
        "[this page](page.md#top), [another](gone.md#top), ![a picture](pictures/gone.webp),\n"
        "[a site](https://example.com/gone.md), https://example.com/gone/gone.html",
        encoding="utf-8",
    )

    assert missing(document) == [
        "core/gone.py",
        "core/tests/test_gone.py",
        "gone.md",
        "gone/",
        "pictures/gone.webp",
    ]


def test_both_readmes_name_the_same_files() -> None:
    english, chinese = (
        named((ROOT / name).read_text(encoding="utf-8")) for name in ("README.md", "README.zh.md")
    )

    assert chinese == english


def test_every_decision_stands_in_the_index() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text(encoding="utf-8")

    decisions = {file.name for file in folder.glob("0*.md")}
    assert {link for link in LINK.findall(index) if link[0] == "0"} == decisions


def test_the_drawing_is_the_import_contract() -> None:
    drawing = ElementTree.parse(ROOT / "docs" / "rooms.svg")
    floors: dict[float, set[str]] = {}
    for text in drawing.iter("{http://www.w3.org/2000/svg}text"):
        if text.get("class") == "room":
            floors.setdefault(float(text.attrib["y"]), set()).add("".join(text.itertext()))

    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = contracts["tool"]["importlinter"]["contracts"][0]["layers"]
    assert [rooms for _, rooms in sorted(floors.items())] == [
        set(layer.split(" | ")) for layer in layers
    ]
