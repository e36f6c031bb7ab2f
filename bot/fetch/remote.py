"""The contract between what downloads (bot.fetch.transfer) and the places that it downloads from.

Implemented by hub.py, bucket.py and wandb_artifact.py; called on the thread that starts the engine or fetches.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bot.fetch.lock import Held

_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class BrokenOffError(Exception):
    """A transfer broke off and may be taken up again. The text says why, such as "it sent nothing for 10 s"."""


def after(pieces: Iterable[bytes], num_bytes: int) -> Iterator[bytes]:
    """What follows the first `num_bytes`. Servers that ignore ranges send what is here already once more."""
    for piece in pieces:
        if num_bytes < len(piece):
            yield piece[num_bytes:]
        num_bytes = max(0, num_bytes - len(piece))


def sent_from(status: int, headers: Mapping[str, str], size: int, start: int) -> int:
    """At which byte of a file of `size` bytes an answer over HTTP begins; `start` was asked for.

    Raises BrokenOffError if it is the answer for another file: some proxies send a page of theirs with status 200.
    """
    begin, total = 0, headers.get("Content-Length")
    if status == 206:
        found = _RANGE.match(headers.get("Content-Range", ""))
        if found is None:
            raise BrokenOffError("a part was sent that does not say of what")
        begin, total = int(found[1]), found[2] if found[2] != "*" else None
    elif "Content-Encoding" in headers:
        total = None
    if (total is not None and int(total) != size) or headers.get("Content-Type", "").startswith("text/html"):
        what = "a web page" if headers.get("Content-Type", "").startswith("text/html") else f"{total} bytes"
        raise BrokenOffError(f"another file was sent: {what} in place of {size} bytes")
    if begin > start:
        raise BrokenOffError("another part of the file was sent than was asked for")
    return begin


def readable(text: str) -> str:
    """A source's name as a folder's name: gs://bucket/my/model → gs-bucket-my-model."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one file goes. part: what has come so far, on the same disk. guard: locked while it is downloaded."""

    file: Path
    part: Path
    guard: Path


class Remote(Protocol):
    """One source of one network's files.

    Every method that asks the other side raises BrokenOffError for what may pass, and CheckpointNotFoundError,
    FetchError or ConfigError, with a sentence, for what will not.
    """

    @property
    def title(self) -> str:
        """For sentences: "the hub model owner/name"."""

    @property
    def advice(self) -> str:
        """For the sentence after the last attempt: what its user may check."""

    @property
    def is_persistent(self) -> bool:
        """Whether its library tries a question several times by itself, for a minute or so."""

    def resolve(self) -> Held:
        """Asks which version is there now, what files of ours it has, their sizes and announced digests."""

    def folder(self, held: Held) -> Path:
        """Where the files of a version are once they are here. Asks nobody."""

    def place(self, held: Held, name: str) -> Place:
        """Where one file of a version is downloaded to. Asks nobody."""

    def read(self, held: Held, name: str, start: int) -> Iterator[bytes]:
        """The content of a file from byte `start` on, in pieces."""

    def finish(self, held: Held, name: str) -> None:
        """Makes the complete file at `place` appear in `folder`."""

    def discard(self, held: Held, name: str) -> None:
        """Removes a file that turned out to be wrong."""
