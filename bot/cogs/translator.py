"""Commands in the user's language: names, descriptions, options and choices, from the catalogues.

discord.py asks while it registers the commands; the client sets this translator before. Discord then shows each user
what fits the locale of their client, and sends the English names back. /help asks too.
"""

from discord import Locale
from discord.app_commands import TranslationContextTypes, Translator, locale_str

from bot.catalogues import Languages
from bot.language import ENGLISH, Language


class CommandTranslator(Translator):
    """Translates into every locale of Discord that has a catalogue."""

    def __init__(self, languages: Languages) -> None:
        self._languages = languages

    async def translate(self, string: locale_str, locale: Locale, context: TranslationContextTypes) -> str | None:
        """None where the English text stays."""
        language = self._languages.of(locale.value)
        if language is ENGLISH:
            return None
        translation = in_language(string.message, language)
        return None if translation == string.message else translation


def in_language(text: str, language: Language) -> str:
    """A command's name or description, which is in the catalogues because a locale_str was made of it."""
    return language.text(text)
