"""Opens the PNG files that the bot has kept. Blocks for some milliseconds: on a worker thread.

Whoever can write into `data_dir` could put a file there that is a few kilobytes on disk and gigabytes in memory, so the
size in its header is looked at before a pixel is.
"""

import io
from typing import Final

from PIL import Image, PngImagePlugin

from bot.errors import StoreError

MAX_SIDE_PX: Final = 4096


def open_png(png: bytes) -> PngImagePlugin.PngImageFile:
    """The file's size and metadata; its pixels are decoded when they are asked for.

    Raises StoreError if it is no PNG, or has more than MAX_SIDE_PX on a side.
    """
    try:
        image = Image.open(io.BytesIO(png), formats=["PNG"])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise StoreError(f"A kept picture can't be read ({type(error).__name__}): delete its file.") from error
    if max(image.size) > MAX_SIDE_PX:
        raise StoreError(f"A kept picture is {image.width} x {image.height} px, as none of ours is: delete its file.")
    assert isinstance(image, PngImagePlugin.PngImageFile)
    return image


def decode_png(png: bytes) -> Image.Image:
    """RGB. Raises as open_png does, also where the pixels are damaged."""
    image = open_png(png)
    try:
        return image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise StoreError(f"A kept picture is damaged ({type(error).__name__}): delete its file.") from error
