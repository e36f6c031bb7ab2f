"""The text of /privacy policy: as it ships, in the languages that it ships in, or from a file of whoever runs the bot.

Blocks. app.py reads it once at the start, so that a wrong file stops there; the command reads it anew each time.
"""

from pathlib import Path
from typing import Final

from bot.catalogues import LOCALES_FOLDER
from bot.errors import ConfigError

MAX_CHARACTERS: Final = 3500  # with a heading below Discord's 4000


class PrivacyPolicy:
    """file: a text of one's own, in Discord's markdown; None for the shipped one."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file

    def read(self, code: str) -> str:
        """The text in a language, by its code; in English where there is none.

        Raises ConfigError if the file can't be read, is empty or has more than MAX_CHARACTERS.
        """
        file = self._file or _shipped(code)
        try:
            text = file.read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
            raise ConfigError(f"privacy.policy_file: {file} can't be read: {reason}.") from error
        if not 1 <= len(text) <= MAX_CHARACTERS:
            raise ConfigError(
                f"privacy.policy_file: {file} has {len(text)} characters; expected 1 to {MAX_CHARACTERS}. Link to a "
                "longer text."
            )
        return text


def _shipped(code: str) -> Path:
    own = LOCALES_FOLDER / f"privacy.{code}.md"
    return own if own.is_file() else LOCALES_FOLDER / "privacy.en.md"
