"""Headers of safetensors files. Called by array_file.

Eight bytes, the length of the header; the header, a JSON object from names to dtype, shape and data_offsets [begin,
end) within what follows; the bytes of all arrays without gaps. Format: https://github.com/huggingface/safetensors.
"""

import json
from typing import Any, BinaryIO, Final

from bot.checkpoints.stored_array import DTYPES, StoredArray

_MAX_HEADER_BYTES: Final = 16 * 2**20
_MAX_NAME_CHARACTERS: Final = 1024
_MAX_DIMENSIONS: Final = 32

_DTYPES: Final = {
    "BOOL": "bool",
    "BF16": "bfloat16",
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}


def index_safetensors(file: BinaryIO, size: int) -> dict[str, StoredArray]:
    """The arrays of a file of `size` bytes by their names. Raises ValueError saying what is wrong."""
    length = int.from_bytes(file.read(8), "little")
    begin = 8 + length
    if size < 8 or length > _MAX_HEADER_BYTES or begin > size:
        raise ValueError(f"its header should have {length} bytes, the whole file has {size}")
    try:
        header = json.loads(file.read(length), object_pairs_hook=_without_duplicates)
    except RecursionError as error:
        raise ValueError("its header is nested too deeply") from error
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")
    arrays = {name: _array(name, entry, begin) for name, entry in header.items() if name != "__metadata__"}
    end = begin
    for name, array in sorted(arrays.items(), key=lambda item: item[1].pieces):
        [(offset, nbytes)] = array.pieces
        if offset != end:
            raise ValueError(f"{name} starts at byte {offset}, where {end} is next")
        end += nbytes
    if end != size:
        raise ValueError(f"its arrays end at byte {end}, the whole file has {size}")
    return arrays


def _array(name: str, entry: Any, begin: int) -> StoredArray:
    if len(name) > _MAX_NAME_CHARACTERS:
        raise ValueError(f"{name[:80]}… is a name beyond {_MAX_NAME_CHARACTERS} characters")
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(first), int(last)]} if (
            len(shape) <= _MAX_DIMENSIONS and all(type(size) is int for size in shape) and 0 <= first <= last
        ):
            if dtype not in _DTYPES:
                raise ValueError(f"{name} holds {dtype[:40]!r}, which is no known kind of number")
            try:
                return StoredArray(DTYPES[_DTYPES[dtype]], tuple(shape), ((begin + first, last - first),))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        case _:
            raise ValueError(f"{name} is not dtype, shape and data_offsets")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name in its header is there twice")
    return members
