"""What a route sees of a request, and how that is read from the wire: JSON or multipart, within Discord's limits."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import BodyPartReader, web

from bot.sandbox.errors import ApiError, bad_json, invalid_form, too_large
from bot.sandbox.files import MAX_FILE_BYTES, MAX_REQUEST_BYTES, UploadedFile

_FILE_FIELD = re.compile(r"files\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Call:
    """A request. params: the variable parts of its path; payload: its decoded JSON, None without a body."""

    params: Mapping[str, str]
    query: Mapping[str, str]
    payload: Any = None
    files: tuple[UploadedFile, ...] = ()

    @property
    def form(self) -> dict[str, Any]:
        """The payload where it must be an object. Raises ApiError 50035 otherwise."""
        if not isinstance(self.payload, dict):
            raise invalid_form("", "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
        return self.payload

    def is_set(self, name: str) -> bool:
        """Whether a boolean query parameter is given and true."""
        return self.query.get(name, "").lower() in ("1", "true")


@dataclass(frozen=True, slots=True)
class Route:
    """One REST route. template: its path below the API's root, with Discord's names for the variable parts.

    handler: returns what is answered as JSON, None for 204; raises ApiError. It must not block.
    needs_token: whether only the bot itself may call; webhook addresses carry their own secret.
    """

    method: str
    template: str
    handler: Callable[[Call], Any]
    needs_token: bool = True


async def read_body(request: web.Request) -> tuple[Any, tuple[UploadedFile, ...]]:
    """The decoded payload and the uploads of a request.

    Raises ApiError 40005 above the size limits (the body is read to its end all the same, since a client that is
    still sending would miss the answer), 50109 for broken JSON."""
    if not request.can_read_body:
        return None, ()
    if request.content_type == "multipart/form-data":
        return await _read_multipart(request)
    try:
        return _decoded(await request.read()), ()
    except web.HTTPRequestEntityTooLarge:
        raise too_large() from None


async def _read_multipart(request: web.Request) -> tuple[Any, tuple[UploadedFile, ...]]:
    payload: Any = None
    files: list[UploadedFile] = []
    num_bytes = 0
    error: ApiError | None = None
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise bad_json()
        data = bytearray()
        is_file = (matched := _FILE_FIELD.fullmatch(part.name or "")) is not None
        while chunk := await part.read_chunk(1 << 16):
            num_bytes += len(chunk)
            if num_bytes > MAX_REQUEST_BYTES or (is_file and len(data) + len(chunk) > MAX_FILE_BYTES):
                error = too_large()
            if error is None:
                data += chunk
        if error is not None:
            continue
        if matched is not None:
            files.append(UploadedFile(int(matched[1]), part.filename or "unknown", bytes(data)))
        elif part.name == "payload_json":
            payload = _decoded(bytes(data))
    if error is not None:
        raise error
    return payload, tuple(files)


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        raise bad_json() from None
