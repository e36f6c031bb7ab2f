"""Digests as stores announce them, written `algorithm:hex`, and what computes them while bytes arrive. Pure.

git-sha1 is the name of a blob in git: sha1 of `blob {size}`, a zero byte and the content.
"""

import base64
import binascii
import hashlib
import importlib
import re
from typing import Any, Final, Protocol

_SHAPE: Final = re.compile(r"(sha256:[0-9a-f]{64}|git-sha1:[0-9a-f]{40}|md5:[0-9a-f]{32}|crc32c:[0-9a-f]{8})")


class Hasher(Protocol):
    """What hashlib's objects do."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class _Crc32c:
    """google_crc32c's checksum, which comes with the `buckets` extra, with hashlib's methods."""

    def __init__(self) -> None:
        self._checksum: Any = importlib.import_module("google_crc32c").Checksum()

    def update(self, data: bytes, /) -> None:
        self._checksum.update(data)

    def hexdigest(self) -> str:
        return bytes(self._checksum.digest()).hex()


def is_digest(text: object) -> bool:
    """Whether this is a digest as this module writes them."""
    return isinstance(text, str) and _SHAPE.fullmatch(text) is not None


def hasher(digest: str, size: int) -> Hasher:
    """What computes a digest of the same kind over a content of `size` bytes."""
    algorithm = digest.partition(":")[0]
    if algorithm == "crc32c":
        return _Crc32c()
    if algorithm == "git-sha1":
        return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    return hashlib.new(algorithm, usedforsecurity=False)


def from_base64(algorithm: str, text: object) -> str | None:
    """`algorithm:hex` from base64, as Google and W&B write digests; None if it is none."""
    if not isinstance(text, str):
        return None
    try:
        digest = f"{algorithm}:{base64.b64decode(text, validate=True).hex()}"
    except binascii.Error:
        return None
    return digest if is_digest(digest) else None
