"""What tells weights apart that go by one name. Called on the engine thread while a checkpoint is loaded.

It reads some samples of each file, not the files: training changes nearly every number of a network. Whether a file is
whole and as its source announced it, bot.fetch knows.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bot.errors import CheckpointError

NUM_SAMPLES: Final = 64
SAMPLE_BYTES: Final = 4096
_NUM_CHARACTERS: Final = 8


def fingerprint(files: Iterable[Path]) -> str:
    """Eight hexadecimal digits, the same wherever these files lie. Raises CheckpointError if one can't be read."""
    digest = hashlib.sha256()
    for file in files:
        try:
            with file.open("rb") as opened:
                size = file.stat().st_size
                digest.update(b"%d;" % size)
                for number in range(NUM_SAMPLES):
                    opened.seek(max(size - SAMPLE_BYTES, 0) * number // (NUM_SAMPLES - 1))
                    digest.update(opened.read(SAMPLE_BYTES))
        except OSError as error:
            raise CheckpointError(f"{file} can't be read ({error.strerror}). Fetch the model again.") from error
    return digest.hexdigest()[:_NUM_CHARACTERS]
