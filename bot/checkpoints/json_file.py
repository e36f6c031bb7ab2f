"""Small JSON files beside weights: config.json, generation_config.json, preprocessor_config.json."""

import json
from pathlib import Path
from typing import Any

from bot.errors import CheckpointError, CheckpointNotFoundError


def read_json(path: Path) -> dict[str, Any]:
    """Reads one JSON object. Raises CheckpointNotFoundError or CheckpointError naming the file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointNotFoundError(f"{path}: no such file.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not readable as JSON ({error}).") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path}: expected a JSON object, found {type(data).__name__}.")
    return data
