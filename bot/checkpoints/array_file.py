"""Files of arrays, seen through their headers: which arrays a file holds and where, without reading any.

Two formats: flax msgpack and safetensors. Pickles are recognised and never read. Called on the engine thread while a
checkpoint is opened and loaded, and by the trainer's and the tests' read_arrays.

Arrays are read with read() into memory of our own, not mapped: a mapped file that is cut short kills the process, and
JAX may take a mapped array for its own memory, so that parameters would change with the file.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import FileIO, IOBase
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from bot.checkpoints.msgpack_index import NotAnArrayError, index_msgpack
from bot.checkpoints.safetensors_index import index_safetensors
from bot.checkpoints.stored_array import StoredArray
from bot.errors import CheckpointError, CheckpointNotFoundError

_PICKLE: Final = "is a pickle, as PyTorch saves weights. Pickles can run code and are never read"
_SIGNATURES: Final = (
    (b"PK\x03\x04", _PICKLE),  # in a zip archive
    *((bytes([0x80, protocol]), _PICKLE) for protocol in range(2, 6)),
    (b"\x89HDF\r\n", "is an HDF5 file, TensorFlow's format, which is not read"),
    (b"\x1f\x8b", "is packed with gzip, which is not read"),
    (b"version https://git-lfs", "is a pointer of Git LFS, not the weights themselves"),
    (b"<!DOCTYPE", "is a web page, not weights"),
    (b"<html", "is a web page, not weights"),
)


@dataclass(frozen=True, slots=True)
class ArrayFile:
    """A file whose headers were read. stamp: size, time of change and number of the file that they belong to."""

    path: Path
    arrays: Mapping[str, StoredArray]
    stamp: tuple[int, int, int]

    def without(self, unwanted: Callable[[str], bool]) -> "ArrayFile":
        """The same file but for the arrays whose names are unwanted."""
        return replace(self, arrays={name: array for name, array in self.arrays.items() if not unwanted(name)})

    @contextmanager
    def reading(self) -> Iterator["Reader"]:
        """Opens the file to read its arrays. Raises CheckpointError if it is not what it was, then or at the end."""
        try:
            file = self.path.open("rb", buffering=0)
        except OSError as error:
            raise _unreadable(self.path, error) from error
        with file:
            self._check_unchanged(file)
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            yield Reader(self.path, file)
            self._check_unchanged(file)

    def _check_unchanged(self, file: FileIO) -> None:
        if _stamp(file) != self.stamp:
            raise CheckpointError(f"{self.path} has changed since it was opened. Start again once it is complete.")


class Reader:
    """Reads bytes of arrays. Belongs to ArrayFile.reading."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self._path = path
        self._file = file

    def read(self, array: StoredArray, start: int, buffer: npt.NDArray[np.uint8]) -> None:
        """Fills `buffer`, uint8 [n], with n bytes of the array from byte `start` on. Raises CheckpointError."""
        view = memoryview(buffer.data)
        filled = 0
        for offset, nbytes in array.pieces:
            skipped = min(start, nbytes)
            start -= skipped
            wanted = min(nbytes - skipped, len(view) - filled)
            if wanted:
                self._file.seek(offset + skipped)
                self._fill(view[filled : filled + wanted])
                filled += wanted
        assert filled == len(view)

    def _fill(self, view: memoryview) -> None:
        while view:
            try:
                count = self._file.readinto(view)
            except OSError as error:
                raise _unreadable(self._path, error) from error
            if not count:
                raise CheckpointError(f"{self._path} was cut short while it was read. Fetch it again.")
            view = view[count:]


def open_array_file(path: Path) -> ArrayFile:
    """Reads the headers of `*.msgpack` or `*.safetensors`; memory stays small whatever they say.

    Raises CheckpointNotFoundError if there is no such file, CheckpointError if it is cut short, malformed or something
    else, and says what.
    """
    safetensors = path.suffix == ".safetensors"
    try:
        with path.open("rb") as file:
            stamp = _stamp(file)
            _refuse_others(path, file.read(64))
            file.seek(0)
            arrays = (index_safetensors if safetensors else index_msgpack)(file, stamp[0])
    except (FileNotFoundError, IsADirectoryError) as error:
        raise CheckpointNotFoundError(f"{path}: no such file.") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:
        if isinstance(error, NotAnArrayError):
            raise CheckpointError(f"{path}: {error}, so this is not a file of weights. Fetch it again.") from error
        name = "safetensors" if safetensors else "flax msgpack"
        raise CheckpointError(f"{path}: not a complete {name} file ({error}). Fetch it again.") from error
    return ArrayFile(path, arrays, stamp)


def _unreadable(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(f"{path} can't be read ({error.strerror}). Check the file and its disk.")


def _stamp(file: IOBase) -> tuple[int, int, int]:
    stat = os.fstat(file.fileno())
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _refuse_others(path: Path, first: bytes) -> None:
    if path.suffix == ".safetensors" and first[8:9] == b"{":
        return  # the length in its first bytes may look like anything
    what = next((what for signature, what in _SIGNATURES if first.startswith(signature)), None)
    if what is None and path.suffix != ".safetensors" and first[8:10] == b'{"':
        what = "is a safetensors file under another name"
    if what is not None:
        raise CheckpointError(f"{path} {what}. Fetch {path.name}.")
