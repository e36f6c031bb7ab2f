"""Texts and languages: what is translated, what is formatted, and what is left as people wrote it."""

import io
from gettext import GNUTranslations

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from bot.errors import DalleBotError, InvalidPromptError, StoreError
from bot.language import ENGLISH, Language, Text

HOSTILE = "{0} {name} {name.__class__} {"


def make_german() -> Language:
    catalogue = Catalog(locale="de")
    catalogue.add("{name} is empty.", "{name} ist leer.")
    catalogue.add("The prompt", "Die Beschreibung")
    catalogue.add(("{n} picture of {name}", "{n} pictures of {name}"), ("{n} Bild von {name}", "{n} Bilder von {name}"))
    catalogue.add("{others} and {last}", "{others} und {last}")
    catalogue.add("It takes {seconds:.1f} s.", "Es dauert {seconds:.2f} s.")
    file = io.BytesIO()
    write_mo(file, catalogue)
    file.seek(0)
    return Language("de", GNUTranslations(file), decimal_point=",", thousands=".")


GERMAN = make_german()


def test_a_text_is_english_by_itself() -> None:
    assert str(Text("{name} is empty.", name="The prompt")) == "The prompt is empty."
    assert f"{Text('The prompt')}" == "The prompt"


def test_a_text_is_told_in_a_language_with_the_texts_in_it() -> None:
    text = Text("{name} is empty.", name=Text("The prompt"))
    assert GERMAN.tell(text) == "Die Beschreibung ist leer."
    assert ENGLISH.tell(text) == str(text) == "The prompt is empty."
    assert GERMAN.text("{name} is empty.", name=Text("The prompt")) == "Die Beschreibung ist leer."


def test_a_text_with_other_values() -> None:
    text = Text.plural("{n} picture of {name}", "{n} pictures of {name}", 2, name="a")
    assert GERMAN.tell(text.replacing(name="b")) == "2 Bilder von b"
    assert GERMAN.tell(text) == "2 Bilder von a"


def test_what_a_catalogue_lacks_stays_english() -> None:
    assert GERMAN.text("Nothing {done}.", done="done") == "Nothing done."
    assert GERMAN.text("") == ""


@pytest.mark.parametrize(
    ("n", "german", "english"),
    [(0, "0 Bilder", "0 pictures"), (1, "1 Bild", "1 picture"), (2, "2 Bilder", "2 pictures")],
)
def test_numbers_choose_the_form(n: int, german: str, english: str) -> None:
    text = Text.plural("{n} picture of {name}", "{n} pictures of {name}", n, name=HOSTILE)
    assert GERMAN.tell(text) == f"{german} von {HOSTILE}"
    assert GERMAN.plural("{n} picture of {name}", "{n} pictures of {name}", n, name="x") == f"{german} von x"
    assert str(text) == f"{english} of {HOSTILE}"


@pytest.mark.parametrize(
    ("items", "german"),
    [(("a",), "a"), (("a", "b"), "a und b"), (("a", Text("The prompt"), 2), "a, Die Beschreibung und 2")],
)
def test_a_tuple_is_listed(items: tuple[object, ...], german: str) -> None:
    assert GERMAN.text("{items}", items=items) == german


def test_numbers_are_written_as_the_language_does() -> None:
    assert GERMAN.text("It takes {seconds:.1f} s.", seconds=1.5) == "Es dauert 1,50 s."
    assert GERMAN.text("{count:,} bytes", count=1234567) == "1.234.567 bytes"
    assert ENGLISH.text("{count:,} bytes", count=1234567) == "1,234,567 bytes"
    # A text that looks like a number is somebody's own.
    assert GERMAN.text("{word}", word="1.5") == "1.5"


def test_only_the_template_is_formatted() -> None:
    assert GERMAN.text("{name} is empty.", name=HOSTILE) == f"{HOSTILE} ist leer."
    assert GERMAN.text("{name:.3} is {name!r}", name="{a}b") == "{a} is '{a}b'"


def test_an_error_is_told_in_a_language() -> None:
    error = InvalidPromptError("{name} is empty.", name=Text("The prompt"))
    assert str(error) == "The prompt is empty."
    assert GERMAN.tell(error) == "Die Beschreibung ist leer."
    assert GERMAN.tell(DalleBotError(error.text)) == "Die Beschreibung ist leer."


def test_a_message_without_values_is_taken_as_it_is() -> None:
    sentence = f"The file {HOSTILE} can't be read."
    assert str(StoreError(sentence)) == sentence == GERMAN.tell(StoreError(sentence))
    assert str(StoreError()) == ""


@pytest.mark.parametrize(
    ("value", "shown"), [(-0.04, "0,0"), (-0.0, "0,0"), (0.0, "0,0"), (-0.06, "-0,1"), (-10.0, "-10,0")]
)
def test_what_rounds_to_zero_has_no_sign(value: float, shown: str) -> None:
    assert GERMAN.show(value, ".1f") == shown
