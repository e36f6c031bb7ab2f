"""The contract between what downloads (bot.fetch.transfer) and the places that it downloads from.

Implemented by hub.py, bucket.py and wandb_artifact.py; called on the thread that starts the engine or fetches.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bot.fetch.lock import Held


class BrokenOffError(Exception):
    """A transfer broke off and may be taken up again. The text says why, such as "it sent nothing for 10 s"."""


def after(pieces: Iterable[bytes], num_bytes: int) -> Iterator[bytes]:
    """What follows the first `num_bytes`. Servers that ignore ranges send what is here already once more."""
    for piece in pieces:
        if num_bytes < len(piece):
            yield piece[num_bytes:]
        num_bytes = max(0, num_bytes - len(piece))


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
