"""What fetching a model came to: which files of which version are where. Made by bot.fetch.locate."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.checkpoints.folders import ModelFolders


@dataclass(frozen=True, slots=True)
class FetchedPart:
    """One network that is here now. version: None for a folder of the user's. num_bytes: of its files.

    fetched_bytes: how much of them this process downloaded. unverified: files whose digest the source doesn't announce.
    """

    name: str
    source: str
    version: str | None
    folder: Path
    files: tuple[str, ...]
    num_bytes: int
    fetched_bytes: int
    unverified: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "name": self.name,
            "source": self.source,
            "version": self.version,
            "folder": str(self.folder),
            "files": list(self.files),
            "bytes": self.num_bytes,
            "fetched_bytes": self.fetched_bytes,
            "unverified": list(self.unverified),
        }


@dataclass(frozen=True, slots=True)
class FetchReport:
    """A model that is here now. parts: dalle_bart, vqgan, clip."""

    name: str
    parts: tuple[FetchedPart, FetchedPart, FetchedPart]

    @property
    def folders(self) -> ModelFolders:
        return ModelFolders(self.name, *(part.folder for part in self.parts))

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"model": self.name, "parts": [part.to_json() for part in self.parts]}
