"""What the pixels of a collage say, as a digest that processes can compare. Pure."""

import hashlib
import io

from PIL import Image

from bot.bench.fault_engine import IMAGE_LENGTH, IMAGE_SIZE_PX
from bot.collage import make_collage
from bot.engine.fake import expected_image


def pixels_of(data: bytes) -> str:
    """Of a file's picture. Raises ValueError or OSError if it is none."""
    with Image.open(io.BytesIO(data)) as picture:
        return _digest(picture.convert("RGB"))


def expected_pixels(prompt: str, seed: int, num_images: int) -> str:
    """Of the collage that the engine of fault_engine.py draws."""
    images = [
        expected_image(prompt, seed, index, image_length=IMAGE_LENGTH, image_size_px=IMAGE_SIZE_PX)
        for index in range(num_images)
    ]
    best_first = sorted(images, key=lambda image: -image.score)
    return _digest(make_collage([image.pixels for image in best_first]))


def _digest(picture: Image.Image) -> str:
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
