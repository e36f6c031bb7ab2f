"""The bytes behind attachments, and their CDN addresses, which expire. Event loop of the sandbox only."""

import io
import mimetypes
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from PIL import Image, UnidentifiedImageError

from bot.sandbox.clock import Clock, Snowflakes
from bot.sandbox.errors import LineError
from bot.sandbox.messages import Attachment

MAX_FILE_BYTES: Final = 10 * 1024 * 1024
MAX_REQUEST_BYTES: Final = 25 * 1024 * 1024
URL_LIFE_S: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """`files[index]` of a multipart request."""

    index: int
    filename: str
    data: bytes


class FileShelf:
    """Keeps at most `max_bytes` of uploaded files; the oldest give way, and their addresses answer 404."""

    def __init__(self, clock: Clock, ids: Snowflakes, cdn_url: str, max_bytes: int = 512 * 1024 * 1024) -> None:
        self._clock = clock
        self._ids = ids
        self._cdn_url = cdn_url
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._files: OrderedDict[str, tuple[Attachment, bytes]] = OrderedDict()

    def add(self, file: UploadedFile, description: str | None) -> Attachment:
        """Stores an upload. Pictures get their size."""
        size_px = _size_px(file.data)
        attachment = Attachment(
            id=self._ids.new(),
            filename=file.filename,
            size_bytes=len(file.data),
            content_type=mimetypes.guess_type(file.filename)[0] or "application/octet-stream",
            description=description,
            width_px=size_px and size_px[0],
            height_px=size_px and size_px[1],
        )
        self.put(attachment, file.data)
        return attachment

    def put(self, attachment: Attachment, data: bytes) -> None:
        """Stores what an attachment stands for."""
        self._files[attachment.id] = (attachment, data)
        self._num_bytes += len(data)
        while self._num_bytes > self._max_bytes:
            _, (_, oldest) = self._files.popitem(last=False)
            self._num_bytes -= len(oldest)

    def url(self, channel_id: str, attachment: Attachment) -> str:
        """An address that works for URL_LIFE_S from now."""
        expiry = f"{int(self._clock.now() + URL_LIFE_S):x}"
        return f"{self._cdn_url}/attachments/{channel_id}/{attachment.id}/{quote(attachment.filename)}?ex={expiry}"

    def read(self, attachment_id: str) -> bytes | None:
        """The bytes of an attachment, if they are still kept."""
        entry = self._files.get(attachment_id)
        return None if entry is None else entry[1]

    def fetch(self, attachment_id: str, filename: str, expiry: str) -> tuple[Attachment, bytes] | None:
        """What a CDN address leads to; None where Discord answers 404: unknown, renamed, unsigned or expired."""
        entry = self._files.get(attachment_id)
        if entry is None or entry[0].filename != filename:
            return None
        try:
            is_alive = self._clock.now() < int(expiry, 16)
        except ValueError:
            return None
        return entry if is_alive else None


def read_uploads(paths: Iterable[str]) -> dict[str, UploadedFile]:
    """The files at these paths. Blocks on the disk. Raises LineError for what can't be read, or is larger than Discord
    takes."""
    uploads: dict[str, UploadedFile] = {}
    for path in paths:
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise LineError(f"{path} can't be read: {error.strerror}.") from error
        if len(data) > MAX_FILE_BYTES:
            raise LineError(f"{path} has more than {MAX_FILE_BYTES} bytes, which Discord does not take.")
        uploads[path] = UploadedFile(0, Path(path).name, data)
    return uploads


def _size_px(data: bytes) -> tuple[int, int] | None:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None
