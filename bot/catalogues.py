"""The languages that the bot speaks: one catalogue each, bot/locales/<code>.po. Read once, at start, by app.py."""

import io
from collections.abc import Mapping
from gettext import GNUTranslations
from pathlib import Path
from string import Formatter
from typing import Final, Self

from babel.core import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.numbers import get_decimal_symbol, get_group_symbol

from bot.errors import ConfigError
from bot.language import ENGLISH, Language

LOCALES_FOLDER: Final = Path(__file__).parent / "locales"


class Languages:
    """English and every catalogue."""

    def __init__(self, languages: Mapping[str, Language]) -> None:
        self._languages = languages

    @classmethod
    def load(cls, folder: Path = LOCALES_FOLDER) -> Self:
        """Reads the catalogues in `folder`; blocking. Raises ConfigError if one of them is damaged."""
        return cls({path.stem: _language(path) for path in sorted(folder.glob("*.po"))})

    def of(self, locale: str | None) -> Language:
        """The language for a locale as Discord names it: its own ("pt-BR"), that without a region ("pt") or English."""
        code = (locale or "").replace("-", "_")
        return self._languages.get(code) or self._languages.get(code.split("_")[0], ENGLISH)

    def all(self) -> list[Language]:
        """English first, the others by code."""
        return [ENGLISH, *self._languages.values()]


def read_catalogue(path: Path) -> Catalog:
    """The messages of a .po file. Raises ConfigError if it can't be read, or names another language than its file."""
    try:
        locale = Locale.parse(path.stem)
        with path.open("rb") as file:
            return read_po(file, locale=locale, abort_invalid=True)
    except (OSError, ValueError, UnknownLocaleError, PoFileError) as error:
        raise ConfigError(f"The catalogue {path} can't be read: {error}") from error


def forms(text: str | list[str] | tuple[str, ...] | None) -> list[str]:
    """Of a message's `id` or `string`: the one text, or one for each number."""
    return [text] if isinstance(text, str) else list(text or ())


def fields_of(template: str) -> set[str]:
    """The {fields} of `template` as they stand there, with conversion and format. Raises ValueError if it is none."""
    fields = set()
    for _, name, spec, conversion in Formatter().parse(template):
        if name is not None:
            fields.add(f"{{{name}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}}}")
    return fields


def faults(message: Message) -> list[str]:
    """What is wrong with a translation, a sentence each; it would fail, or lose a value, when people are told it."""
    originals, translations = forms(message.id), forms(message.string)
    known = set[str]().union(*map(fields_of, originals))
    needed = known - {"{n}"} if len(originals) > 1 else known
    sentences = []
    for translation in filter(None, translations):
        try:
            found = fields_of(translation)
        except ValueError as error:
            sentences.append(f"“{translation}” is no template: {error}.")
            continue
        sentences += [f"“{translation}” lacks {field}." for field in sorted(needed - found)]
        sentences += [f"“{translation}” has {field}, “{originals[0]}” has not." for field in sorted(found - known)]
    return sentences


def _language(path: Path) -> Language:
    catalogue = read_catalogue(path)
    for message in catalogue:
        if message.id and not message.fuzzy and (found := faults(message)):
            raise ConfigError(f"The catalogue {path} has a wrong translation: {found[0]}")
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    locale = catalogue.locale
    name = (locale and locale.display_name) or path.stem
    translations = GNUTranslations(compiled)
    return Language(path.stem, translations, get_decimal_symbol(locale), get_group_symbol(locale), name)
