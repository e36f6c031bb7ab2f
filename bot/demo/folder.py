"""Training examples from a folder of pictures with captions: `dalle-bot train-demo --data FOLDER`.

Everything is read and checked when the folder is opened, so that no training ends at a broken file hours later.
"""

import hashlib
import io
import struct
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError
from rich.console import Console
from rich.progress import track

from bot.demo.folder_captions import CaptionedFile, find_captions
from bot.errors import ConfigError

Pixels = npt.NDArray[np.uint8]

MIN_PICTURES: Final = 20
"""Fewer teach nothing but themselves."""

MAX_MEMORY_BYTES: Final = 2**30
"""Of decoded pictures that are kept: about 21,000 at 128 px. What is beyond is decoded when it is drawn."""

_MAX_FILE_BYTES: Final = 2**27
_MAX_SHOWN: Final = 6
_FORMATS: Final = ("PNG", "JPEG", "WEBP")
# Pillow cuts these off at 255 instead of scaling them.
_DEEP_MODES: Final = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


class FolderPictures:
    """The pictures of a folder, all equally likely, each with one of its captions. See bot.demo.pictures.Pictures.

    A picture is turned as its EXIF data says, laid on white where it is transparent, cropped to its middle square and
    scaled. It is never mirrored: captions may say left.

    Raises ConfigError, about `--data`, that lists what is wrong with the files: unreadable pictures and captions,
    pictures without a caption, captions without a picture, too few of both, or nothing but one caption.
    max_memory_bytes: see MAX_MEMORY_BYTES.
    """

    def __init__(
        self,
        folder: Path,
        size_px: int,
        *,
        console: Console | None = None,
        max_memory_bytes: int = MAX_MEMORY_BYTES,
    ) -> None:
        self._size_px = size_px
        try:
            self._files, problems = find_captions(folder)
        except OSError as error:
            raise ConfigError(f"--data: the folder {folder} can't be read ({error.strerror}).") from error
        kept = min(len(self._files), max_memory_bytes // (3 * size_px**2))
        # uint8 [kept, size_px, size_px, 3]: the first files.
        self._decoded: Pixels = np.empty((kept, size_px, size_px, 3), np.uint8)
        self._digest = hashlib.sha256()
        shown = track(
            self._files,
            "reading pictures",
            console=console or Console(stderr=True),
            transient=True,
            disable=not self._files,
        )
        for i, file in enumerate(shown):
            try:
                data = _read(file)
                pixels = _decode(data, size_px)
            except _UnusableError as error:
                problems.append(f"{file.name}: {error}")
                continue
            self._digest.update(repr((file.name, file.captions)).encode() + hashlib.sha256(data).digest())
            if i < kept:
                self._decoded[i] = pixels
        if problems:
            raise ConfigError(_complaint(folder, problems))
        if len(self._files) < MIN_PICTURES:
            raise ConfigError(
                f"--data: {folder} has {len(self._files)} pictures with captions, and a training needs at least "
                f"{MIN_PICTURES}. Put name.txt beside name.png (jpg, jpeg, webp), or a captions.csv with the columns "
                "file,caption."
            )
        self._right = self._right_captions()
        self._captions = sorted({caption.casefold(): caption for caption in self.sentences()}.values())
        if any(len(right) == len(self._captions) for right in self._right.values()):
            raise ConfigError(
                f"--data: in {folder} some picture has every caption that there is, so that none is wrong for it; "
                "say of each picture what only it shows."
            )

    @property
    def size_px(self) -> int:
        return self._size_px

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def __len__(self) -> int:
        return len(self._files)

    def batch(self, rng: np.random.Generator, n: int) -> tuple[Pixels, list[str]]:
        """See Pictures. Raises ConfigError if a picture beyond those kept in memory has since been damaged."""
        chosen = rng.integers(len(self._files), size=n).tolist()
        captions = [self._files[i].captions[int(rng.integers(len(self._files[i].captions)))] for i in chosen]
        return np.stack([self._pixels(i) for i in chosen]), captions

    def rich_batch(self, rng: np.random.Generator, n: int) -> Pixels:
        """Pictures of `batch`: nobody knows how to make richer ones. Raises ConfigError as `batch` does."""
        return self.batch(rng, n)[0]

    def wrong_captions(self, captions: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Captions of other pictures, none of them a further caption of the same one."""
        return [self._wrong_caption(caption, rng) for caption in captions]

    def sentences(self) -> Iterator[str]:
        for file in self._files:
            yield from file.captions

    def _pixels(self, i: int) -> Pixels:
        if i < len(self._decoded):
            kept: Pixels = self._decoded[i]
            return kept
        try:
            return _decode(_read(self._files[i]), self._size_px)
        except _UnusableError as error:
            raise ConfigError(
                f"--data: {self._files[i].path} has changed since the training began: {error}."
            ) from error

    def _right_captions(self) -> dict[str, set[str]]:
        """For each caption all those of the pictures that have it, in one case."""
        right: dict[str, set[str]] = {}
        for file in self._files:
            same = {caption.casefold() for caption in file.captions}
            for caption in same:
                right.setdefault(caption, set()).update(same)
        return right

    def _wrong_caption(self, caption: str, rng: np.random.Generator) -> str:
        right = self._right[caption.casefold()]
        first, count = int(rng.integers(len(self._captions))), len(self._captions)
        return next(
            other for i in range(count) if (other := self._captions[(first + i) % count]).casefold() not in right
        )


class _UnusableError(Exception):
    """Why a file is no picture to learn from, as a clause."""


def _read(file: CaptionedFile) -> bytes:
    try:
        if file.path.stat().st_size > _MAX_FILE_BYTES:
            raise _UnusableError(f"larger than {_MAX_FILE_BYTES:,} bytes; make it smaller")
        return file.path.read_bytes()
    except OSError as error:
        raise _UnusableError(f"can't be read ({error.strerror})") from error


def _decode(data: bytes, size_px: int) -> Pixels:
    """A file's bytes -> uint8 [size_px, size_px, 3]. Raises _UnusableError."""
    with warnings.catch_warnings():
        # Of odd metadata, which doesn't matter here.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
                # A large JPEG is decoded at a fraction of its size, several times faster.
                opened.draft("RGB", (2 * size_px, 2 * size_px))
                picture = _flat(ImageOps.exif_transpose(opened))
                return np.asarray(ImageOps.fit(picture, (size_px, size_px), Image.Resampling.LANCZOS))
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise _UnusableError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller") from error
        except UnidentifiedImageError as error:
            raise _UnusableError("not a PNG, JPEG or WebP picture; convert it") from error
        # What Pillow's decoders raise for damaged files.
        except (OSError, SyntaxError, ValueError, IndexError, KeyError, struct.error) as error:
            raise _UnusableError(f"damaged ({error})") from error


def _flat(picture: Image.Image) -> Image.Image:
    """RGB, with white behind what is transparent."""
    if picture.mode in _DEEP_MODES:
        raise _UnusableError(f"its pixels are of the type {picture.mode}; save it with 8 bits a channel")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    coloured = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured).convert("RGB")


def _complaint(folder: Path, problems: Sequence[str]) -> str:
    shown = "".join(f"\n  {problem}" for problem in problems[:_MAX_SHOWN])
    more = len(problems) - _MAX_SHOWN
    count = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
    rest = f"\n  and {more:,} more" if more > 0 else ""
    return f"--data: {count} in {folder}. Mend or remove these files:{shown}{rest}"
