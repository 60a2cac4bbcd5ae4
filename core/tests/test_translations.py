"""Words are found in Python and in templates; what is not translated well is named."""

import gettext
from pathlib import Path

import pytest
from babel.messages.catalog import Message

from core import translations
from core.translations import Project

PYTHON = """
from django.utils.translation import gettext_lazy as _, ngettext, pgettext

TITLE = _("Sold out")
def left(count):
    return ngettext("%(count)s piece left", "%(count)s pieces left", count) % {"count": count}
verb = pgettext("on a button", "Order")
"""
TEMPLATE = """{% load i18n %}
<p title="it's {% translate 'Basket' %}">{{ _("Total") }}
  {% blocktranslate trimmed with name=user.username %}
    Good day,
    {{ name }}
  {% endblocktranslate %}
</p>
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of one app, whose words have just been collected."""
    app = tmp_path / "shelf"
    (app / "templates" / "shelf").mkdir(parents=True)
    (app / "models.py").write_text(PYTHON, encoding="utf-8")
    (app / "templates" / "shelf" / "list.html").write_text(TEMPLATE, encoding="utf-8")
    project = Project(locale=tmp_path / "locale", sources=(app,))
    translations.update(project)
    return project


def translate(project: Project, msgid: str, chinese: str) -> None:
    """Put a translation where the .po has an empty one."""
    text = project.po.read_text(encoding="utf-8")
    place = text.index(f'"{msgid}"\n')
    text = text[:place] + text[place:].replace('""', f'"{chinese}"', 1)
    project.po.write_text(text, encoding="utf-8")


def translate_all(project: Project) -> None:
    translate(project, "Basket", "购物篮")
    translate(project, "Good day, %(name)s", "%(name)s，您好")
    translate(project, "Order", "下单")
    translate(project, "Sold out", "已售罄")
    translate(project, "Total", "合计")
    translate(project, "%(count)s pieces left", "仅剩 %(count)s 件")


def named(words: list[Message]) -> list[str]:
    return sorted(translations.name(word) for word in words)


def test_words_come_from_python_and_from_templates(project: Project) -> None:
    assert named(translations.messages_of(project)) == [
        "%(count)s piece left",
        "Basket",
        "Good day, %(name)s",
        "Order",
        "Sold out",
        "Total",
    ]


def test_update_twice_changes_nothing(project: Project) -> None:
    translate_all(project)
    before = project.po.read_bytes()

    translations.update(project)

    assert project.po.read_bytes() == before


def test_update_forgets_a_word_that_has_gone_and_keeps_the_others(project: Project) -> None:
    translate_all(project)
    (project.sources[0] / "models.py").write_text("")

    translations.update(project)

    assert named(list(translations.messages_of(project))) == [
        "Basket",
        "Good day, %(name)s",
        "Total",
    ]
    assert list(translations.complaints(project)) == []


def test_complaints_end_when_all_is_translated(project: Project) -> None:
    assert sorted(translations.complaints(project)) == [
        "untranslated: %(count)s piece left",
        "untranslated: Basket",
        "untranslated: Good day, %(name)s",
        "untranslated: Order",
        "untranslated: Sold out",
        "untranslated: Total",
    ]

    translate_all(project)

    assert list(translations.complaints(project)) == []


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ('_("New")', "missing: New"),
        ('ngettext("Sold out", "All sold out", 2)', "missing: Sold out"),
    ],
)
def test_complaints_name_a_word_that_was_not_collected(
    project: Project, source: str, complaint: str
) -> None:
    translate_all(project)
    (project.sources[0] / "views.py").write_text(source)
    (project.sources[0] / "models.py").write_text(PYTHON.replace('_("Sold out")', '""'))

    assert complaint in translations.complaints(project)


def test_complaints_name_a_fuzzy_word(project: Project) -> None:
    translate_all(project)
    text = project.po.read_text(encoding="utf-8")
    text = text.replace('msgid "Basket"', '#, fuzzy\nmsgid "Basket"')
    project.po.write_text(text, encoding="utf-8")

    assert list(translations.complaints(project)) == ["fuzzy: Basket"]


def test_complaints_name_a_word_no_longer_used(project: Project) -> None:
    translate_all(project)
    source = project.sources[0] / "models.py"
    source.write_text(PYTHON.replace("Sold out", "Basket"), encoding="utf-8")

    assert list(translations.complaints(project)) == ["no longer used: Sold out"]


@pytest.mark.parametrize("chinese", ["您好", "%(nmae)s，您好", "%(name)s%(name)s，您好"])
def test_complaints_name_other_placeholders(project: Project, chinese: str) -> None:
    translate_all(project)
    text = project.po.read_text(encoding="utf-8")
    project.po.write_text(text.replace("%(name)s，您好", chinese), encoding="utf-8")

    assert list(translations.complaints(project)) == ["other placeholders: Good day, %(name)s"]


def test_complaints_ask_for_trimmed(project: Project) -> None:
    template = project.sources[0] / "templates" / "shelf" / "list.html"
    template.write_text(TEMPLATE.replace(" trimmed", ""), encoding="utf-8")

    found = [text for text in translations.complaints(project) if "`trimmed`" in text]

    assert len(found) == 1


def test_compile_leaves_out_what_is_not_translated(project: Project) -> None:
    translate(project, "Basket", "购物篮")
    translate(project, "%(count)s pieces left", "仅剩 %(count)s 件")

    translations.compile(project)

    with project.mo.open("rb") as file:
        chinese = gettext.GNUTranslations(file)
    assert chinese.gettext("Basket") == "购物篮"
    assert chinese.gettext("Total") == "Total"
    assert chinese.ngettext("%(count)s piece left", "", 1) == "仅剩 %(count)s 件"
