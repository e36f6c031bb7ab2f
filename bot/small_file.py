"""Reads files that are small by nature, and no more of them than they may have. Blocks. Called by those that parse."""

from pathlib import Path


class TooLargeError(Exception):
    """A file has more bytes than any of its kind needs. The text says so, as a clause."""


def read_small(path: Path, max_bytes: int) -> bytes:
    """The whole file. Raises OSError, and TooLargeError, having read no more than `max_bytes` and one.

    A name that no system takes raises OSError too.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except ValueError as error:
        raise OSError(None, str(error)) from error
    if len(data) > max_bytes:
        raise TooLargeError(f"it has more than {max_bytes:,} bytes")
    return data
