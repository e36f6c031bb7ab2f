"""What people read, in their language. Every floor makes Texts; the cogs and render.py tell them. Pure.

A message is an English template, which is also its key in the catalogues (bot/catalogues.py reads them), and the values
of its {fields}. Only templates are formatted, so values may hold braces; a template without values is taken as it is.
Values may be Texts themselves, or tuples of one value or more, which are listed as people do: “a, b and c”. Numbers get
the language's own decimal point.

So that a catalogue has every message, each is a literal where one of these is called: Text, Text.plural, Language.text,
Language.plural, discord.py's locale_str, and the errors that people on Discord may see (bot/messages.py names them).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from gettext import NullTranslations
from numbers import Real
from string import Formatter
from typing import Any, Final, Protocol


@dataclass(frozen=True, slots=True, init=False)
class Text:
    """A message whose language is chosen later. `str()` gives it in English.

    template: English, with {fields} for `values`. many: the template for other numbers than 1 of the value `n`; None
    for a message without number.
    """

    template: str
    values: Mapping[str, object]
    many: str | None

    def __init__(self, template: str, /, **values: object) -> None:
        self._set(template, values, None)

    @classmethod
    def plural(cls, one: str, many: str, n: int, /, **values: object) -> "Text":
        """Reads as `one` if n is 1, otherwise as `many`; both may hold {n}."""
        text = cls.__new__(cls)
        text._set(one, {**values, "n": n}, many)
        return text

    @classmethod
    def verbatim(cls, sentence: str) -> "Text":
        """What was told before, in whichever language, and was kept since."""
        return cls(sentence)

    def replacing(self, **values: object) -> "Text":
        """The same message with other values in some of its fields."""
        text = Text.__new__(Text)
        text._set(self.template, {**self.values, **values}, self.many)
        return text

    def _set(self, template: str, values: Mapping[str, object], many: str | None) -> None:
        object.__setattr__(self, "template", template)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "many", many)

    def __str__(self) -> str:
        return ENGLISH.tell(self)


class HasText(Protocol):
    """An error that tells people something."""

    @property
    def text(self) -> Text: ...


@dataclass(frozen=True, eq=False)
class Language:
    """One language, shared by all who speak it.

    code: as the catalogue's file is named ("de"). catalogue: the translations; what it lacks stays English.
    decimal_point, thousands: how numbers are written. name: what those who speak it call it.
    """

    code: str
    catalogue: NullTranslations = field(default_factory=NullTranslations, repr=False)
    decimal_point: str = "."
    thousands: str = ","
    name: str = "English"

    def text(self, message: str, /, **values: object) -> str:
        """`message` translated, with `values` in its fields."""
        return self.tell(Text(message, **values))

    def plural(self, one: str, many: str, n: int, /, **values: object) -> str:
        """As `text`, in the form that this language uses for n things; both templates may hold {n}."""
        return self.tell(Text.plural(one, many, n, **values))

    def tell(self, said: Text | HasText) -> str:
        """A Text, or what an error says, in this language."""
        text = said if isinstance(said, Text) else said.text
        if text.many is not None:
            number = text.values["n"]
            assert isinstance(number, int)
            template = self.catalogue.ngettext(text.template, text.many, number)
        else:
            # The empty message is the catalogue's header.
            template = text.template and self.catalogue.gettext(text.template)
        return _Filler(self).vformat(template, (), text.values) if text.values else template

    def show(self, value: object, spec: str = "") -> str:
        """One value as a field shows it. spec: as for `format`."""
        match value:
            case Text():
                return self.tell(value)
            case tuple():
                *others, last = (self.show(item) for item in value)
                return self.text("{others} and {last}", others=", ".join(others), last=last) if others else last
            case Real():
                shown = format(value, spec)
                if not shown.strip("-0.,"):
                    shown = shown.removeprefix("-")  # what rounds to zero
                return shown.translate({ord("."): self.decimal_point, ord(","): self.thousands})
            case _:
                return format(value, spec)


class _Filler(Formatter):
    """str.format with values shown in a language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        return self._language.show(value, format_spec)


ENGLISH: Final = Language("en")
