"""Reads a TOML file of settings: the configuration, categories of pictures. Blocks; called at the start."""

import tomllib
from pathlib import Path
from typing import Any, Final

from bot.errors import ConfigError
from bot.log import redact
from bot.small_file import TooLargeError, read_small

MAX_TOML_BYTES: Final = 1 << 20


def read_toml(path: Path) -> dict[str, Any]:
    """The file's tables. Raises OSError, and ConfigError, which shows nothing that looks like a secret, for what is too
    large, not UTF-8 or no TOML."""
    try:
        return tomllib.loads(read_small(path, MAX_TOML_BYTES).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from None
    except TooLargeError as error:
        raise ConfigError(f"{path} is no file of settings: {error}.") from None
    except RecursionError:
        raise ConfigError(f"{path} is not valid TOML: it is nested too deeply.") from None
    # Of numbers with thousands of digits, tomllib passes on Python's own error.
    except ValueError as error:
        raise ConfigError(f"{path} is not valid TOML: {redact(str(error))}.") from None
