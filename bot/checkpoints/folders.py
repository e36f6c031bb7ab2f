"""Where the three networks of a model lie on this machine. Made by bot.fetch, read by whoever loads a model."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelFolders:
    """name: what people call the model. Each folder holds config.json, weights and, but for the VQGAN, a tokenizer."""

    name: str
    dalle_bart: Path
    vqgan: Path
    clip: Path
