"""`dalle-bot calibrate`: labelled pictures in, thresholds with precision and recall out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from bot.config import Settings
from bot.engine.picture_scores import PictureScores
from bot.errors import ConfigError
from bot.image_rule import ImageAction, ImageRule
from bot.moderation.calibration import Calibrated, Counts, calibrate, check_names, thresholds_of
from bot.moderation.image_categories import Categories
from bot.moderation.image_rules import labels_of
from bot.startup import StartUp

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")
MAX_PICTURES: Final = 10_000
MAX_SIDE_PX: Final = 4096


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """categories: with the new thresholds. num_pictures: in all folders."""

    model: str
    precision: float
    num_pictures: int
    calibrated: tuple[Calibrated, ...]
    categories: Categories

    def to_json(self) -> dict[str, Any]:
        """Everything but the texts."""
        return {
            "model": self.model,
            "precision": self.precision,
            "num_pictures": self.num_pictures,
            "is_calibrated": self.categories.is_calibrated,
            "categories": [each.to_json() for each in self.calibrated],
        }

    def __str__(self) -> str:
        lines = [f"{self.num_pictures} pictures, model {self.model}, wanted precision {self.precision:.0%}", ""]
        for each in self.calibrated:
            if each.threshold is None:
                lines.append(f"{each.name}: no threshold reaches that precision; it keeps the one it had")
            else:
                lines.append(f"{each.name}: threshold {each.threshold:.6f}")
            lines.append(f"  set on    {_told(each.first)}")
            lines.append(f"  measured  {_told(each.second)}")
        missing = [each.name for each in self.categories.categories if each.name not in thresholds_of(self.calibrated)]
        if missing:
            lines += ["", f"Still uncalibrated: {', '.join(missing)}."]
        return "\n".join(lines)


def calibrate_folder(
    folder: Path, settings: Settings, categories: Categories, *, precision: float, start_up: StartUp
) -> CalibrationReport:
    """folder: one with pictures for each category, named like it, and `harmless`.

    Raises ConfigError for a folder that is of no use, before a model is loaded, and what loading one raises.
    """
    names, pictures = read_folder(folder, categories)
    labels = labels_of([ImageRule(each.name, ImageAction.HOLD) for each in categories.categories], categories)
    scores = PictureScores(settings, start_up)
    with start_up.stage("score pictures", total=len(pictures), unit="pictures") as advance:
        logits = scores.logits(pictures, labels, advance)
    calibrated = calibrate(logits, labels, names, categories, precision)
    changed = categories.with_thresholds(thresholds_of(calibrated))
    return CalibrationReport(settings.model.name, precision, len(pictures), tuple(calibrated), changed)


def read_folder(folder: Path, categories: Categories) -> tuple[list[str], list[npt.NDArray[np.uint8]]]:
    """The name of each picture's folder, and the picture: uint8 [height, width, 3]; by name. Raises ConfigError."""
    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder}: give one that has a folder of pictures for each category.")
    files = [
        file
        for inner in sorted(folder.iterdir())
        if inner.is_dir() and not inner.name.startswith(".")
        for file in sorted(inner.iterdir())
        if file.suffix.lower() in SUFFIXES
    ]
    if len(files) > MAX_PICTURES:
        raise ConfigError(f"{folder} holds {len(files)} pictures; at most {MAX_PICTURES} are read. Take some away.")
    names = [file.parent.name for file in files]
    check_names(names, categories)
    return names, [_read(file) for file in files]


def _read(file: Path) -> npt.NDArray[np.uint8]:
    try:
        with Image.open(file, formats=["PNG", "JPEG", "WEBP"]) as image:
            if max(image.size) > MAX_SIDE_PX:
                raise ConfigError(f"{file} is {image.width} x {image.height} px; at most {MAX_SIDE_PX} are read.")
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ConfigError(f"{file} is no picture that can be read: {error}.") from error


def _told(counts: Counts) -> str:
    shares = [("precision", counts.precision), ("recall", counts.recall)]
    told = ", ".join(f"{name} {'–' if share is None else f'{share:.1%}'}" for name, share in shares)
    num = counts.right_hits + counts.missed, counts.false_hits + counts.right_passes
    return f"{told}  ({counts.right_hits} of {num[0]} found, {counts.false_hits} of {num[1]} others hit)"
