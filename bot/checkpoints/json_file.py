"""Small JSON files beside weights: configurations, vocabularies, tokenizers."""

import json
from pathlib import Path
from typing import Any, Final

from bot.errors import CheckpointError, CheckpointNotFoundError
from bot.small_file import TooLargeError, read_small

# Several times as much as the largest tokenizer of a known model. As Python's objects it is some hundred megabytes.
MAX_JSON_BYTES: Final = 16 << 20


def read_json(path: Path) -> dict[str, Any]:
    """Reads one JSON object. Raises CheckpointNotFoundError or CheckpointError naming the file."""
    try:
        data = json.loads(read_small(path, MAX_JSON_BYTES).decode())
    except FileNotFoundError as error:
        raise CheckpointNotFoundError(f"{path}: no such file.") from error
    except (OSError, ValueError, RecursionError, TooLargeError) as error:
        raise CheckpointError(f"{path}: not readable as JSON ({error}).") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path}: expected a JSON object, found {type(data).__name__}.")
    return data
