"""models.lock.json in data_dir: which version of a source was fetched first, and what its files must be.

    {"format": 1, "sources": {"owner/name@main": {"version": "<commit>", "files": {
        "config.json": {"size": 1234, "digest": "git-sha1:…"}}}}}

Read and written on the thread that starts the engine or fetches. A file lock beside it keeps processes apart; readers
need none, since the file is replaced as a whole. Digests are those that the source announced; null where it has none.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from bot.errors import CheckpointError, ConfigError, FetchError
from bot.fetch.digest import is_digest
from bot.small_file import TooLargeError, read_small

LOCK_FILE: Final = "models.lock.json"
_FORMAT: Final = 1
_MAX_BYTES: Final = 16 << 20
_POLL_S: Final = 0.5
VERSION: Final = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
"""What a source may call a version: it becomes a part of a folder's name."""


@dataclass(frozen=True, slots=True)
class HeldFile:
    """One file of a version. digest: see bot.fetch.digest; None if the source announces none."""

    size: int
    digest: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """A version of a source. version: a commit, a W&B version, or a fingerprint of a bucket's listing.

    files: by name, the configuration first and the weights last.
    """

    version: str
    files: Mapping[str, HeldFile]

    @property
    def num_bytes(self) -> int:
        return sum(file.size for file in self.files.values())


class ModelsLock:
    """The lock file of one data_dir. Every method raises CheckpointError if the file is malformed.

    pause: called now and then while another process holds the file; whatever it raises ends the wait.
    """

    def __init__(self, data_dir: Path, *, timeout_s: float = 30.0, pause: Callable[[float], None] = time.sleep) -> None:
        self.file = data_dir / LOCK_FILE
        self._timeout_s = timeout_s
        self._pause = pause

    def get(self, source: str) -> Held | None:
        """What is held for a source; None if it was never fetched."""
        return self._read().get(source)

    def add(self, source: str, held: Held) -> Held:
        """Records a version unless there is one. Returns the recorded one: another process may have been first."""
        with self._alone():
            known = self._read()
            if source not in known:
                self._write({**known, source: held})
                return held
            return known[source]

    def replace(self, source: str, held: Held) -> None:
        """Records a version in place of the one that was held."""
        with self._alone():
            self._write({**self._read(), source: held})

    def _read(self) -> dict[str, Held]:
        try:
            data = json.loads(read_small(self.file, _MAX_BYTES).decode())
            if data["format"] != _FORMAT:
                raise ValueError(f"format {data['format']!r} is not {_FORMAT}")
            return {str(source): _held(entry) for source, entry in data["sources"].items()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise CheckpointError(f"{self.file} can't be read ({error.strerror}).") from error
        except KeyError as error:
            raise self._malformed(f"{error} is missing") from None
        except (ValueError, TypeError, AttributeError, RecursionError, TooLargeError) as error:
            raise self._malformed(str(error)) from None

    def _malformed(self, why: str) -> CheckpointError:
        return CheckpointError(
            f"{self.file} is not a list of fetched models ({why}): put it right, or delete it, and the next start "
            "records anew what is newest then."
        )

    def _write(self, known: Mapping[str, Held]) -> None:
        data = {"format": _FORMAT, "sources": {source: _entry(known[source]) for source in sorted(known)}}
        new = self.file.with_suffix(".new")
        try:
            with new.open("w", encoding="utf-8") as stream:
                json.dump(data, stream, indent=2)
                stream.write("\n")
                stream.flush()
                os.fsync(stream.fileno())
            new.replace(self.file)
        except OSError as error:
            raise FetchError(f"{self.file} can't be written ({error.strerror}): check its rights.") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        guard = self.file.with_suffix(".guard")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self._acquired(FileLock(guard)):
                yield
        except OSError as error:
            raise ConfigError(
                f"data_dir: {self.file.parent} can't be written ({error.strerror}): set data_dir to a folder that can."
            ) from error

    @contextmanager
    def _acquired(self, lock: FileLock) -> Iterator[None]:
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                lock.acquire(timeout=min(_POLL_S, self._timeout_s))
                break
            except Timeout:
                self._pause(0)
                if time.monotonic() > deadline:
                    raise FetchError(
                        f"{lock.lock_file}: another process has held this for {self._timeout_s:.0f} s; end it and try "
                        "again."
                    ) from None
        try:
            yield
        finally:
            lock.release()


def _held(entry: Mapping[str, Any]) -> Held:
    files = {}
    for name, file in entry["files"].items():
        size, digest = file["size"], file["digest"]
        if type(size) is not int or size < 0:
            raise ValueError(f"the size of {name} is {size!r}")
        if digest is not None and not is_digest(digest):
            raise ValueError(f"the digest of {name} is {digest!r}")
        if Path(name).name != name:
            raise ValueError(f"{name!r} is not a plain file name")
        files[name] = HeldFile(size, digest)
    version = entry["version"]
    if not isinstance(version, str) or not VERSION.fullmatch(version) or not files:
        raise ValueError(f"the version {version!r} has {len(files)} files")
    return Held(version, files)


def _entry(held: Held) -> dict[str, Any]:
    files = {name: {"size": file.size, "digest": file.digest} for name, file in held.files.items()}
    return {"version": held.version, "files": files}
