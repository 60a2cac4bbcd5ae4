"""How words get from the sources into the Chinese catalogues, without gettext's programs.

The words are English in the sources. ``locale`` holds the shop's Chinese,
``sandbox/alipay_twin/locale`` that of the sandbox, a project of its own. Babel reads and writes
them:

    update      bring each .po up to date with the sources: new words arrive untranslated, words
                that are no longer used leave, translations stay. Sorted by msgid, without line
                numbers and dates, so that a diff shows words only. Nothing is guessed.
    compile     make the .mo that Django reads; it is not committed
    complaints  what is not as it should be, a sentence each
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

LANGUAGE = "zh_Hans"

KEYWORDS = {
    **DEFAULT_KEYWORDS,
    **{f"{name}_lazy": DEFAULT_KEYWORDS[name] for name in ("gettext", "ngettext", "pgettext")},
    "npgettext_lazy": DEFAULT_KEYWORDS["npgettext"],
    "gettext_noop": None,
}

HEADER = r"""# Made by `manage.py translations update`, translated by people.
msgid ""
msgstr ""
"Language: zh_Hans\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=utf-8\n"
"Content-Transfer-Encoding: 8bit\n"
"Plural-Forms: nplurals=1; plural=0;\n"

"""

# %(name)s and %s, {name} and {}: what a translation must hold as well.
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[sdif]|\{\w*\}")


@dataclass(frozen=True)
class Project:
    """Folders of sources, and the folder that holds the translations of their words."""

    locale: Path
    sources: tuple[Path, ...]

    @property
    def po(self) -> Path:
        return self.locale / LANGUAGE / "LC_MESSAGES" / "django.po"

    @property
    def mo(self) -> Path:
        return self.po.with_suffix(".mo")


def projects(root: Path) -> list[Project]:
    """Return the shop and the sandbox, two projects in one repository."""
    apps = sorted(file.parent for file in root.glob("*/apps.py"))
    twin = root / "sandbox" / "alipay_twin"
    return [
        Project(locale=root / "locale", sources=(*apps, root / "templates")),
        Project(locale=twin / "locale", sources=(twin,)),
    ]


def update(project: Project) -> None:
    """Bring the .po up to date with the sources."""
    known = read_catalog(project.po)
    catalog = Catalog(locale=LANGUAGE)
    for word in messages_of(project):
        old = known.get(word.id, word.context)
        catalog.add(
            word.id,
            # A text that has got a plural, or lost it, is another text.
            old.string if old and old.pluralizable == word.pluralizable else None,
            auto_comments=word.auto_comments,
            user_comments=old.user_comments if old else (),
            flags=old.flags if old else (),
            context=word.context,
        )
    text = BytesIO()
    write_po(text, catalog, no_location=True, omit_header=True, sort_output=True, width=100)
    project.po.parent.mkdir(parents=True, exist_ok=True)
    project.po.write_bytes(HEADER.encode() + text.getvalue().strip() + b"\n")


def compile(project: Project) -> None:  # noqa: A001  as the command is called
    """Make the .mo that Django reads, of what is translated."""
    with project.mo.open("wb") as file:
        write_mo(file, read_catalog(project.po))


def complaints(project: Project) -> Iterator[str]:
    """Say what is missing in the .po, or wrong."""
    catalog = read_catalog(project.po)
    used = messages_of(project)
    for word in used:
        translation = catalog.get(word.id, word.context)
        if translation is None or translation.pluralizable != word.pluralizable:
            yield f"missing: {name(word)}"
        elif translation.fuzzy:
            yield f"fuzzy: {name(word)}"
        elif not all(strings(translation)):
            yield f"untranslated: {name(word)}"
        elif {*map(placeholders, strings(translation))} != {placeholders(ids(word)[-1])}:
            yield f"other placeholders: {name(word)}"
        if "\n" in name(word).strip():
            yield f"of several lines, give its blocktranslate `trimmed`: {name(word)}"
    still_used = {(name(word), word.context) for word in used}
    for word in [*catalog, *catalog.obsolete.values()]:
        if word.id and (name(word), word.context) not in still_used:
            yield f"no longer used: {name(word)}"


def messages_of(project: Project) -> list[Message]:
    """Return the translatable texts of the sources, each once."""
    catalog = Catalog(locale=LANGUAGE)
    for source in project.sources:
        for file in sorted(source.rglob("*.*")):
            if read_as := reader_of(file.relative_to(source.parent)):
                code = BytesIO(read_as(file.read_text(encoding="utf-8")).encode())
                options = {"encoding": "utf-8"}
                calls = extract("python", code, KEYWORDS, ["Translators"], options)
                for _, message, comments, context in calls:
                    catalog.add(message, auto_comments=comments, context=context)
    return [word for word in catalog if word.id]


def reader_of(file: Path) -> Callable[[str], str] | None:
    """Return what turns a file into Python with calls of gettext, or None if it holds no words."""
    if {"tests", "migrations", "__pycache__"} & set(file.parts):
        return None
    if "templates" in file.parent.parts:
        return python_of_template
    return str if file.suffix == ".py" else None


def python_of_template(text: str) -> str:
    """Return the calls of gettext that a template makes, in lines that Python can tokenise."""
    return "\n".join(line.lstrip() for line in templatize(text).splitlines())


def read_catalog(po: Path) -> Catalog:
    if not po.exists():
        return Catalog(locale=LANGUAGE)
    with po.open("rb") as file:
        return read_po(file, locale=LANGUAGE)


def ids(word: Message) -> tuple[str, ...]:
    """Return the msgid and, if there is one, its plural."""
    return (word.id,) if isinstance(word.id, str) else tuple(map(str, word.id))


def strings(word: Message) -> tuple[str, ...]:
    """Return the translation in all its plural forms (Chinese has one)."""
    string = word.string or ""
    return (string,) if isinstance(string, str) else tuple(map(str, string))


def name(word: Message) -> str:
    return ids(word)[0]


def placeholders(text: str) -> tuple[str, ...]:
    return tuple(sorted(PLACEHOLDER.findall(text)))
