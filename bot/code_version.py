"""Which code this is: the version, and a digest of the source files, as two commits may have one version. A bot and the
engines of a cluster compare it, so that they understand each other. Blocks at the first call.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from bot import __version__

_DIGITS: Final = 12


def code_version() -> str:
    """Such as "0.1.0 (3f2a9c1b7d20)": of the files as they are at the first call, so ask early."""
    return f"{__version__} ({sources_digest()})"


@cache
def sources_digest() -> str:
    """Of this package, as `digest_of`."""
    return digest_of(Path(__file__).parent)


def digest_of(folder: Path) -> str:
    """Of all Python files below it, by their paths in it and their text; hexadecimal."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        for part in (file.relative_to(folder).as_posix().encode(), file.read_bytes()):
            digest.update(len(part).to_bytes(8))
            digest.update(part)
    return digest.hexdigest()[:_DIGITS]
