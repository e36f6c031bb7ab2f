"""Languages: which catalogue a locale gets, and what is refused of a catalogue."""

from pathlib import Path

import pytest
from babel.messages.catalog import Message

from bot.catalogues import Languages, faults
from bot.errors import ConfigError
from bot.language import ENGLISH

HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'


def write(folder: Path, name: str, *entries: tuple[str, str], header: str = HEADER) -> Path:
    path = folder / name
    messages = [f'msgid "{original}"\nmsgstr "{translation}"\n' for original, translation in entries]
    path.write_text("\n".join([header, *messages]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("locale", "code"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("pt-BR", "pt_BR"),
        ("pt-PT", "en"),
        ("en-US", "en"),
        ("fr", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_a_locale_gets_the_nearest_catalogue(tmp_path: Path, locale: str | None, code: str) -> None:
    write(tmp_path, "de.po")
    write(tmp_path, "pt_BR.po")
    languages = Languages.load(tmp_path)
    assert languages.of(locale).code == code
    assert (languages.of(locale) is ENGLISH) == (code == "en")


def test_a_catalogue_translates_and_knows_how_numbers_are_written(tmp_path: Path) -> None:
    write(tmp_path, "de.po", ("{x:,.1f} s", "„{x:,.1f}“ Sekunden"))
    assert Languages.load(tmp_path).of("de").text("{x:,.1f} s", x=1234.5) == "„1.234,5“ Sekunden"


def test_a_fuzzy_translation_is_not_told(tmp_path: Path) -> None:
    path = write(tmp_path, "de.po")
    path.write_text(path.read_text(encoding="utf-8") + '\n#, fuzzy\nmsgid "yes"\nmsgstr "nein"\n', encoding="utf-8")
    assert Languages.load(tmp_path).of("de").text("yes") == "yes"


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("de.po", f"{HEADER}\ngibberish\n", "can't be read: "),
        ("nowhere.po", HEADER, "can't be read: "),
        ("de.po", f'{HEADER}\nmsgid "{{n}} dogs"\nmsgstr "{{m}} Hunde"\n', "wrong translation: “{m} Hunde” lacks {n}."),
    ],
)
def test_a_damaged_catalogue_is_named(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refusal:
        Languages.load(tmp_path)
    assert str(refusal.value).startswith(f"The catalogue {tmp_path / name} ")
    assert complaint in str(refusal.value)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Message("{a} of {b!r:.1}", "{b!r:.1} zu {a}"), []),
        (Message("{a:.1f}", "{a}"), ["“{a}” lacks {a:.1f}.", "“{a}” has {a}, “{a:.1f}” has not."]),
        (Message("{a}", ""), []),
        (Message("{a}", "x"), ["“x” lacks {a}."]),
        (Message("x", "{a}"), ["“{a}” has {a}, “x” has not."]),
        (Message("{a}", "{a} {"), ["“{a} {” is no template: Single '{' encountered in format string."]),
        (Message(("one {a}", "{n} {a}"), ("ein {a}", "{n} {a}")), []),
        (Message(("one {a}", "{n} {a}"), ("ein", "{n} {a}")), ["“ein” lacks {a}."]),
    ],
)
def test_faults_of_a_translation(message: Message, expected: list[str]) -> None:
    assert faults(message) == expected
