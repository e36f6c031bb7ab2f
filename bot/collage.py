"""Numbered collages, and pictures that carry their own description.

Pure functions over Pillow; render.py calls them in a worker thread (a collage takes some tens of milliseconds).
"""

import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageChops, ImageDraw, ImageFilter, ImageFont, PngImagePlugin, UnidentifiedImageError

from bot.errors import JobFailedError
from bot.guild_settings import ResultFormat
from bot.kept_png import decode_png
from bot.requests import MAX_IMAGES

TILE_PX: Final = 256
SINGLE_PX: Final = 512
GAP_PX: Final = 8
BACKGROUND: Final = (43, 45, 49)

_CORNER: Final = 1 / 40
_BADGE: Final = 1 / 8
_BADGE_FILL: Final = (16, 17, 20, 215)
_BADGE_EDGE: Final = (255, 255, 255, 90)
_DIGIT_FILL: Final = (255, 255, 255, 255)
# Pillow's shapes have hard edges; badges and masks are drawn this much larger and reduced.
_OVERSAMPLE: Final = 4

_COLUMNS: Final = (1, 2, 3, 2, 3, 3, 3, 3, 3)
_WEBP_QUALITIES: Final = (95, 90, 85, 75, 60, 45, 30, 15, 5)
_REDUCTIONS: Final = (2, 4)
_SMALL_QUALITY: Final = 60
_LISTED_QUALITY: Final = 90

Pixels = npt.NDArray[np.uint8]


def make_collage(images: Sequence[Pixels], *, tile_px: int = TILE_PX, is_numbered: bool = True) -> Image.Image:
    """Puts 1 to 9 pictures, each uint8 [height, width, 3] and all of one size, into a grid, in order.

    Grids are 1x1, 2x1, 3x1, 2x2, 3x2 and 3x3; a last row that isn't full is centred. Pictures smaller than `tile_px`
    are enlarged by a whole factor; a lone picture is shown at up to SINGLE_PX and has no number. Returns an RGB image,
    800 px wide for three columns of TILE_PX. Raises ValueError for arrays of other kinds or numbers.
    """
    height, width = _common_size(images)
    lone = len(images) == 1
    factor = max(1, (max(SINGLE_PX, tile_px) if lone else tile_px) // max(height, width))
    width, height = width * factor, height * factor
    columns = _COLUMNS[len(images) - 1]
    rows = math.ceil(len(images) / columns)
    size = (columns * (width + GAP_PX) + GAP_PX, rows * (height + GAP_PX) + GAP_PX)
    collage = Image.new("RGB", size, BACKGROUND)
    mask = _rounded_mask(width, height)
    for number, pixels in enumerate(images):
        row, column = divmod(number, columns)
        in_row = min(columns, len(images) - row * columns)
        indent = (columns - in_row) * (width + GAP_PX) // 2
        corner = (GAP_PX + indent + column * (width + GAP_PX), GAP_PX + row * (height + GAP_PX))
        collage.paste(enlarge(Image.fromarray(pixels), factor), corner, mask)
        if is_numbered and not lone:
            badge = _badge(str(number + 1), round(min(width, height) * _BADGE))
            inset = round(badge.width * 0.25)
            collage.paste(badge, (corner[0] + inset, corner[1] + inset), badge)
    return collage


def number_picture(png: bytes, number: int) -> bytes:
    """A picture for a list, as WebP: enlarged as in a collage, with a number of one digit in its corner."""
    picture = decode_png(png)
    large = enlarge(picture, max(1, TILE_PX // max(picture.size)))
    badge = _badge(str(number), round(min(large.size) * _BADGE))
    inset = round(badge.width * 0.25)
    large.paste(badge, (inset, inset), badge)
    data = io.BytesIO()
    large.save(data, "WEBP", quality=_LISTED_QUALITY, method=2)
    return data.getvalue()


def _common_size(images: Sequence[Pixels]) -> tuple[int, int]:
    if not 1 <= len(images) <= MAX_IMAGES:
        raise ValueError(f"a collage holds 1 to {MAX_IMAGES} images, not {len(images)}")
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"an image must be uint8 [height, width, 3], not {image.dtype} {list(image.shape)}")
        if image.shape != images[0].shape:
            raise ValueError(f"images differ in size: {list(images[0].shape)} and {list(image.shape)}")
    return images[0].shape[0], images[0].shape[1]


def enlarge(image: Image.Image, factor: int) -> Image.Image:
    """An RGB picture `factor` times as wide and high.

    Lanczos, held within the range of the neighbouring source pixels: sharp, and flat shapes get no halos.
    """
    if factor == 1:
        return image
    size = (image.width * factor, image.height * factor)
    low = image.filter(ImageFilter.MinFilter(3)).resize(size, Image.Resampling.NEAREST)
    high = image.filter(ImageFilter.MaxFilter(3)).resize(size, Image.Resampling.NEAREST)
    smooth = image.resize(size, Image.Resampling.LANCZOS)
    return ImageChops.darker(ImageChops.lighter(smooth, low), high)


def _rounded_mask(width: int, height: int) -> Image.Image:
    """L [height, width]: 255 inside a rectangle with slightly rounded corners."""
    large = Image.new("L", (width * _OVERSAMPLE, height * _OVERSAMPLE), 0)
    radius = round(min(large.size) * _CORNER)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, large.width - 1, large.height - 1), radius, fill=255)
    return large.resize((width, height), Image.Resampling.BOX)


def _badge(text: str, size_px: int) -> Image.Image:
    """RGBA [size_px, size_px]: a white number on a dark rounded square, legible on any picture."""
    side = size_px * _OVERSAMPLE
    large = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(large)
    edge = max(1, round(side * 0.03))
    draw.rounded_rectangle((0, 0, side - 1, side - 1), side * 0.3, _BADGE_FILL, _BADGE_EDGE, edge)
    font = ImageFont.load_default(side * 0.66)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    draw.text(((side - left - right) / 2, (side - top - bottom) / 2), text, _DIGIT_FILL, font, stroke_width=side / 50)
    return large.resize((size_px, size_px), Image.Resampling.BOX)


def encode_png(image: Image.Image, metadata: Mapping[str, str]) -> bytes:
    """PNG with each entry of `metadata` as an iTXt chunk, in UTF-8. Keys are Latin-1, at most 79 characters."""
    chunks = PngImagePlugin.PngInfo()
    for key, value in metadata.items():
        chunks.add_itxt(key, value)
    data = io.BytesIO()
    image.save(data, "PNG", pnginfo=chunks)
    return data.getvalue()


def encode_within(
    image: Image.Image, metadata: Mapping[str, str], max_bytes: int, wanted: ResultFormat = "png"
) -> tuple[bytes, ResultFormat]:
    """The best encoding of at most `max_bytes`, and its format, which is its file extension too.

    PNG if that is wanted and fits, otherwise WebP of the highest quality that does, or of a half or a quarter of the
    size, with the same metadata. Raises JobFailedError if nothing fits.
    """
    data = b""
    if wanted == "png":
        data = encode_png(image, metadata)
        if len(data) <= max_bytes:
            return data, "png"
    for quality in _WEBP_QUALITIES:
        data = _encode_webp(image, metadata, quality)
        if len(data) <= max_bytes:
            return data, "webp"
    for factor in _REDUCTIONS:
        data = _encode_webp(image.reduce(factor), metadata, _SMALL_QUALITY)
        if len(data) <= max_bytes:
            return data, "webp"
    raise JobFailedError(
        "The picture needs at least {needed:,} bytes, and {limit:,} may be attached here: ask for fewer images.",
        needed=len(data),
        limit=max_bytes,
    )


def encode_small(image: Image.Image) -> bytes:
    """`image` at half its size as WebP, good enough for what is shown for some seconds: 5 to 40 kB."""
    data = io.BytesIO()
    image.reduce(2).save(data, "WEBP", quality=_SMALL_QUALITY, method=2)
    return data.getvalue()


def _encode_webp(image: Image.Image, metadata: Mapping[str, str], quality: int) -> bytes:
    exif = Image.Exif()
    # EXIF text is ASCII; JSON's escapes carry every other character.
    exif[ExifTags.Base.ImageDescription] = json.dumps(dict(metadata))
    if "software" in metadata:
        exif[ExifTags.Base.Software] = metadata["software"]
    data = io.BytesIO()
    image.save(data, "WEBP", quality=quality, method=4, exif=exif.tobytes())
    return data.getvalue()


def read_metadata(data: bytes) -> dict[str, str]:
    """What `encode_png` or `encode_within` wrote into a picture; {} if it holds nothing of that kind.

    Raises ValueError if `data` isn't a PNG or WebP file.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=["PNG", "WEBP"])
    except UnidentifiedImageError:
        raise ValueError("this is neither a PNG nor a WebP file") from None
    if isinstance(image, PngImagePlugin.PngImageFile):
        return {key: str(value) for key, value in image.text.items()}
    try:
        described = json.loads(image.getexif().get(ExifTags.Base.ImageDescription, "{}"))
    except json.JSONDecodeError:
        return {}
    return {str(key): str(value) for key, value in described.items()} if isinstance(described, dict) else {}
