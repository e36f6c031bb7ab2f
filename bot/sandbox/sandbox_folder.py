"""A folder in which a sandbox keeps itself: what it pretends below `discord`, beside it what the bot keeps, as in any
other data_dir. Opened by the stand-in's process, before anything else; blocks.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, Self

from filelock import FileLock, Timeout

from bot.errors import ConfigError
from bot.lasting_file import sync_folder, write_lasting
from bot.private_files import FILE_MODE, make_private_folder
from bot.small_file import TooLargeError, read_small

LOCK_WAIT_S: Final = 10.0  # a predecessor whose bot was killed still writes what it knows
MAX_STATE_BYTES: Final = 256 * 2**20
_DISCORD: Final = "discord"


class SandboxFolder:
    """Nobody else has it until `close`. Made by `open`; by itself it raises OSError. folder: as it was named."""

    def __init__(self, folder: Path, lock: FileLock) -> None:
        self.folder = folder
        self._lock = lock
        self._state = _state_file(folder)
        self._files = folder / _DISCORD / "attachments"
        self._names = {file.name for file in self._files.iterdir()} if self._files.is_dir() else set[str]()

    @classmethod
    def open(cls, folder: Path, wait_s: float = LOCK_WAIT_S) -> Self:
        """Makes the folder if need be. Raises ConfigError if it is somebody else's, in use, or can't be used."""
        own = folder / _DISCORD
        lock = FileLock(own / "lock", mode=FILE_MODE, thread_local=False)
        try:
            if folder.exists():
                _check(folder)
            make_private_folder(own)
            lock.acquire(timeout=wait_s)
            return cls(folder, lock)
        except Timeout:
            raise ConfigError(f"--data: another sandbox uses {folder}: stop it, or name another folder.") from None
        except OSError as error:
            lock.release()
            raise ConfigError(f"--data: {folder} can't be used ({error.strerror}).") from error

    def close(self) -> None:
        self._lock.release()

    def state(self) -> bytes | None:
        """What `save` was given last; None if that never was. Raises ConfigError."""
        try:
            return read_small(self._state, MAX_STATE_BYTES)
        except FileNotFoundError:
            return None
        except TooLargeError as error:
            raise self.damaged(str(error)) from error
        except OSError as error:
            raise ConfigError(f"--data: {self._state} can't be read ({error.strerror}).") from error

    def damaged(self, why: str) -> ConfigError:
        """The error for a state that can't be used."""
        return ConfigError(
            f"--data: {self._state} is damaged ({why}). Delete {self.folder} to begin anew, or name another folder."
        )

    def attachment(self, attachment_id: str) -> bytes | None:
        """What `save` was given of it; None if that is gone. Raises ConfigError."""
        if attachment_id not in self._names:
            return None
        file = self._files / attachment_id
        try:
            return file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"--data: {file} can't be read ({error.strerror}).") from error

    def lacks(self, attachment_ids: Collection[str]) -> list[str]:
        """Those whose bytes are not in the folder."""
        return [one for one in attachment_ids if one not in self._names]

    def save(self, state: bytes, attachments: Mapping[str, bytes], all_ids: Collection[str]) -> None:
        """Replaces the state as a whole or not at all. attachments: new ones, by id. all_ids: of those that the state
        names; others are deleted. Raises OSError."""
        make_private_folder(self._files)
        for attachment_id, data in attachments.items():
            write_lasting(self._files / attachment_id, data)
            self._names.add(attachment_id)
        if attachments:
            sync_folder(self._files)
        write_lasting(self._state, state)
        sync_folder(self._state.parent)
        for name in self._names - set(all_ids):
            (self._files / name).unlink(missing_ok=True)
            self._names.discard(name)


def _state_file(folder: Path) -> Path:
    return folder / _DISCORD / "server.json"


def _check(folder: Path) -> None:
    """Raises ConfigError if the folder is anything but empty or a sandbox's, and OSError."""
    if not folder.is_dir():
        raise ConfigError(f"--data: {folder} is a file; name a folder.")
    others = [path for path in folder.iterdir() if path.name != _DISCORD]
    if others and not _state_file(folder).is_file():
        raise ConfigError(
            f"--data: {folder} holds {others[0].name} and is no sandbox's: name an empty or a new folder."
        )
