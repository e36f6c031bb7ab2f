"""Headers of flax's msgpack files (flax.serialization.msgpack_serialize). Called by array_file.

A file is one map of maps, by names. A leaf is an extension of type 1 that holds another msgpack value, the list
[shape, name of the dtype, bytes]. Arrays of more than 2**30 bytes are flat chunks, put together again here. Of the
bytes of arrays only the place is noted. Format: https://github.com/msgpack/msgpack/blob/master/spec.md.
"""

from collections.abc import Iterator
from typing import BinaryIO, Final, TypeAlias, TypeVar

from bot.checkpoints.stored_array import DTYPES, StoredArray

_MAX_VALUES: Final = 100_000
_MAX_DEPTH: Final = 32
_MAX_TEXT_BYTES: Final = 1024
_MAX_NAME_CHARACTERS: Final = 1024  # of all the names above an array, joined; a name is kept for each array
_MAX_DIMENSIONS: Final = 32

_ARRAY_EXTENSION: Final = 1
_CHUNKED: Final = "__msgpack_chunked_array__"

T = TypeVar("T")


class NotAnArrayError(ValueError):
    """A file is whole, but something else is where arrays should be."""


_Node: TypeAlias = "dict[str, _Node] | StoredArray | int"


def index_msgpack(file: BinaryIO, size: int) -> dict[str, StoredArray]:
    """The arrays of a file of `size` bytes by their '/'-joined names. Raises ValueError saying what is wrong."""
    parser = _Parser(file, size)
    tree = parser.node("", 0)
    parser.expect_end(size)
    if isinstance(tree, int):
        raise NotAnArrayError("the file holds a number, not arrays")
    arrays: dict[str, StoredArray] = {}
    for name, array in _flatten(tree, ""):
        if name in arrays:
            raise ValueError(f"{name} is there twice")
        arrays[name] = array
    return arrays


class _Parser:
    """Walks over a file from header to header."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._position = 0
        self._num_values = 0

    def node(self, name: str, depth: int) -> _Node:
        """The value at the current position: a map, an array, or a number as shapes of chunked arrays have."""
        self._num_values += 1
        if self._num_values > _MAX_VALUES or depth > _MAX_DEPTH:
            raise ValueError(f"{name} lies too deep or beyond {_MAX_VALUES} values")
        if len(name) > _MAX_NAME_CHARACTERS:
            raise ValueError(f"{name[:80]}… is a name beyond {_MAX_NAME_CHARACTERS} characters")
        first = self._byte()
        length = self._length(first, 0x80, 0x8F, {0xDE: 2, 0xDF: 4})
        if length is not None:
            return self._map(name, length, depth)
        length = self._length(first, 1, 0, {0xC7: 1, 0xC8: 2, 0xC9: 4}, {0xD4 + i: 1 << i for i in range(5)})
        if length is not None:
            return self._array(name, length)
        number = self._number(first)
        if number is None:
            raise NotAnArrayError(f"{name or 'the file'} holds {_kind(first)}, not arrays")
        return number

    def expect_end(self, end: int) -> None:
        if self._position != end:
            raise ValueError(f"something else follows at byte {self._position}")

    def _map(self, name: str, length: int, depth: int) -> _Node:
        members: dict[str, _Node] = {}
        for _ in range(length):
            key = self._text()
            if key in members:
                raise ValueError(f"{_join(name, key)} is there twice")
            members[key] = self.node(_join(name, key), depth + 1)
        return members

    def _array(self, name: str, length: int) -> StoredArray:
        kind = self._byte()
        end = self._position + length
        if kind != _ARRAY_EXTENSION:
            raise ValueError(f"{name} is an extension of type {kind}, which is not an array")
        if end > self._size:
            raise ValueError(f"it ends within {name}")
        if self._byte() != 0x93:
            raise ValueError(f"{name} is not shape, dtype and bytes")
        dimensions = self._length(self._byte(), 0x90, 0x9F, {0xDC: 2})
        if dimensions is None or dimensions > _MAX_DIMENSIONS:
            raise ValueError(f"{name} has no shape")
        shape = []
        for _ in range(dimensions):
            size = self._number(self._byte())
            if size is None:
                raise ValueError(f"{name} has no shape")
            shape.append(size)
        dtype_name = self._text()
        dtype = DTYPES.get(dtype_name)
        if dtype is None:
            raise ValueError(f"{name} holds {dtype_name!r}, which is no known kind of number")
        nbytes = self._length(self._byte(), 1, 0, {0xC4: 1, 0xC5: 2, 0xC6: 4})
        if nbytes is None:
            raise ValueError(f"{name} is not shape, dtype and bytes")
        offset = self._position
        if offset + nbytes != end:
            raise ValueError(f"{name} does not end where it should")
        self._file.seek(end)
        self._position = end
        try:
            return StoredArray(dtype, tuple(shape), ((offset, nbytes),))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error

    def _text(self) -> str:
        length = self._length(self._byte(), 0xA0, 0xBF, {0xD9: 1, 0xDA: 2, 0xDB: 4})
        if length is None or length > _MAX_TEXT_BYTES:
            raise ValueError(f"there is no name at byte {self._position}")
        return self._take(length).decode()

    def _length(
        self, first: int, low: int, high: int, sized: dict[int, int], fixed: dict[int, int] | None = None
    ) -> int | None:
        """The length that a header gives, in its first byte (low .. high), in the bytes after it or by its kind; None
        for a header of something else."""
        if low <= first <= high:
            return first - low
        if first in sized:
            return int.from_bytes(self._take(sized[first]))
        return (fixed or {}).get(first)

    def _number(self, first: int) -> int | None:
        """A whole number, or true; None for anything else."""
        if first <= 0x7F:
            return first
        if first == 0xC3:
            return 1
        if 0xCC <= first <= 0xCF:
            return int.from_bytes(self._take(1 << (first - 0xCC)))
        if 0xD0 <= first <= 0xD3:
            return int.from_bytes(self._take(1 << (first - 0xD0)), signed=True)
        return first - 0x100 if first >= 0xE0 else None

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) != count:
            raise ValueError(f"it ends at byte {self._position + len(data)}")
        self._position += count
        return data


def _flatten(node: "dict[str, _Node] | StoredArray", name: str) -> Iterator[tuple[str, StoredArray]]:
    if isinstance(node, StoredArray):
        yield name, node
    elif _CHUNKED in node:
        yield name, _joined(node, name)
    else:
        for key, member in node.items():
            if isinstance(member, int):
                raise NotAnArrayError(f"{_join(name, key)} holds a number, not arrays")
            yield from _flatten(member, _join(name, key))


def _joined(node: "dict[str, _Node]", name: str) -> StoredArray:
    """A chunked array: the marker, `shape` and `chunks`, both maps from "0", "1", … (flax/serialization.py)."""
    shape = _members(node.get("shape"), int, name)
    chunks = _members(node.get("chunks"), StoredArray, name)
    if len({chunk.dtype for chunk in chunks}) != 1:
        raise ValueError(f"{name} has no chunks, or chunks of different kinds")
    try:
        return StoredArray(chunks[0].dtype, tuple(shape), tuple(chunk.pieces[0] for chunk in chunks))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _members(node: "_Node | None", kind: type[T], name: str) -> list[T]:
    numbered = [node.get(str(i)) for i in range(len(node))] if isinstance(node, dict) else [None]
    members = [member for member in numbered if isinstance(member, kind)]
    if len(members) != len(numbered):
        raise ValueError(f"{name} is a chunked array without its shape or some chunks")
    return members


def _join(name: str, key: str) -> str:
    return f"{name}/{key}" if name else key


def _kind(first: int) -> str:
    if 0xA0 <= first <= 0xBF or 0xD9 <= first <= 0xDB:
        return "text"
    if 0x90 <= first <= 0x9F or first in (0xDC, 0xDD):
        return "a list"
    return {0xC0: "nothing", 0xC2: "false", 0xCA: "a fraction", 0xCB: "a fraction"}.get(first, "bytes")
