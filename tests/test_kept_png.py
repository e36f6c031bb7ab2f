"""Kept pictures are opened within bounds, and only here."""

import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot.errors import StoreError
from bot.kept_png import MAX_SIDE_PX, decode_png, open_png

PACKAGE = Path(__file__).parents[1] / "bot"

# Those that open other people's files, with bounds of their own, and those that open what the bot itself has made.
OTHERS_FILES = {"bench/calibration.py", "demo/folder.py"}
OWN_FILES = {"bench/pixels.py", "collage.py", "kept_png.py", "sandbox/files.py"}


def png(width: int, height: int) -> bytes:
    """A small file that says how large it is; its pixels are black, and the last ones of a large one are missing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    row = bytes(1 + (min(width, 100_000) + 7) // 8)
    pixels = zlib.compressobj(9)
    data = b"".join(pixels.compress(row) for _ in range(min(height, 100))) + pixels.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_what_was_saved_is_read() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    assert np.array_equal(np.asarray(decode_png(data.getvalue())), pixels)


@pytest.mark.parametrize("size", [(MAX_SIDE_PX + 1, 1), (1, MAX_SIDE_PX + 1), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_it_is_unpacked(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "convert", None)
    data = png(*size)
    assert len(data) < 20_000
    with pytest.raises(StoreError, match="A kept picture"):
        decode_png(data)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", png(64, 64)[:30], png(64, 64)[:45]])
def test_what_is_no_picture_is_one_error(data: bytes) -> None:
    with pytest.raises(StoreError, match="A kept picture"):
        decode_png(data)


def test_nobody_else_opens_pictures() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bImage\.open\(", path.read_text("utf-8"))
    }
    assert found == OTHERS_FILES | OWN_FILES


def test_the_largest_is_let_in() -> None:
    assert open_png(png(MAX_SIDE_PX, 1)).size == (MAX_SIDE_PX, 1)
