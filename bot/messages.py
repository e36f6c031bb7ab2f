"""The messages that a catalogue translates, read from this package's source. For translators and tests.

`dalle-bot catalogue` writes the files; the running bot has no use for this.
"""

import ast
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.core import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import write_po

from bot import errors
from bot.catalogues import LOCALES_FOLDER, forms, read_catalogue
from bot.errors import ConfigError, JobError, RequestError

_PACKAGE: Final = Path(__file__).parent
# Told to whoever runs the bot, who reads English.
_OPERATORS_FOLDERS: Final = ("bench", "commands", "demo", "sandbox")
_TOLD_ERRORS: Final = [
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, (RequestError, JobError))
]
# What is called → which of its arguments are messages: one, or the singular and the plural.
KEYWORDS: Final[dict[str, tuple[int, ...]]] = {
    "Text": (1,),
    "text": (1,),
    "plural": (1, 2),
    "locale_str": (1,),
    **dict.fromkeys(_TOLD_ERRORS, (1,)),
}

_HEADER: Final = r"""msgid ""
msgstr ""
"Language: {catalogue.locale_identifier}\n"
"Plural-Forms: {catalogue.plural_forms}\n"
"Content-Type: text/plain; charset=utf-8\n"

"""


def is_translated(message: Message) -> bool:
    """Whether every form of a message has a translation that somebody has looked at."""
    translations = forms(message.string)
    return bool(translations) and all(translations) and not message.fuzzy


def message_template(folder: Path = _PACKAGE) -> Catalog:
    """Every message in the source files of `folder`, untranslated, with the files that have it."""
    template = Catalog()
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder)
        if name.parts[0] not in _OPERATORS_FOLDERS:
            for message in _messages_in(path.read_text(encoding="utf-8")):
                template.add(message, locations=[(f"{folder.name}/{name.as_posix()}", 0)])
    return template


def _messages_in(source: str) -> Iterator[str | tuple[str, ...]]:
    """What the KEYWORDS are called with in a source file, in its order, where all of that is literal."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = [call.args[number - 1] for number in KEYWORDS.get(name, ()) if number <= len(call.args)]
        texts = [node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        if texts and len(texts) == len(KEYWORDS[name]):
            yield tuple(texts) if len(texts) > 1 else texts[0]


def update_catalogue(code: str, folder: Path = LOCALES_FOLDER) -> tuple[Path, int]:
    """Writes the .po file of a language with every message of today: what is translated stays, what is new is empty.

    Returns the file and how many of its messages are still to be translated. Raises ConfigError if there is no such
    language, or if the file can't be read or written.
    """
    path = folder / f"{code}.po"
    if path.exists():
        catalogue = read_catalogue(path)
    else:
        try:
            catalogue = Catalog(locale=Locale.parse(code))
        except (ValueError, UnknownLocaleError) as error:
            raise ConfigError(f"There is no language {code!r}: give a code such as de, fr or pt_BR.") from error
    catalogue.update(message_template(), no_fuzzy_matching=True)
    body = io.BytesIO()
    write_po(body, catalogue, width=120, omit_header=True, include_lineno=False, ignore_obsolete=True)
    # Babel's own header has dates and addresses, which would change with every edit.
    try:
        path.write_text(_HEADER.format(catalogue=catalogue) + body.getvalue().decode(), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"The catalogue {path} can't be written: {error.strerror}.") from error
    return path, sum(not is_translated(message) for message in catalogue if message.id)
