"""Options of CLIP, read from the config.json that transformers writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.errors import CheckpointError
from bot.models.config_json import pick, refuse_options

ACTIVATIONS: Final = ("quick_gelu", "gelu")

# Configurations written before transformers 4.31 hold this value whatever the tokenizer's EOS is.
_LEGACY_EOS: Final = 2


@dataclass(frozen=True)
class ClipTextConfig:
    """Text tower, with transformers' defaults (CLIPTextConfig), which newer files leave out."""

    vocab_size: int = 49408
    hidden_size: int = 512
    intermediate_size: int = 2048
    num_hidden_layers: int = 12
    num_attention_heads: int = 8
    max_position_embeddings: int = 77
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5
    eos_token_id: int = 49407

    @property
    def pools_at_largest_id(self) -> bool:
        """Whether the pooled state is that of the largest id, rather than that of the first `eos_token_id`."""
        return self.eos_token_id == _LEGACY_EOS


@dataclass(frozen=True)
class ClipVisionConfig:
    """Vision tower, with transformers' defaults (CLIPVisionConfig). image_size and patch_size in pixels."""

    hidden_size: int = 768
    intermediate_size: int = 3072
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    image_size: int = 224
    patch_size: int = 32
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5

    @property
    def num_positions(self) -> int:
        """Patches of one image, and the class position before them."""
        return int((self.image_size // self.patch_size) ** 2 + 1)


@dataclass(frozen=True)
class ClipConfig:
    """Both towers and the space that they share.

    logit_scale_init_value: natural logarithm of what a fresh network multiplies cosines by.
    """

    text: ClipTextConfig = ClipTextConfig()
    vision: ClipVisionConfig = ClipVisionConfig()
    projection_dim: int = 512
    logit_scale_init_value: float = 2.6592

    @classmethod
    def from_json(cls, data: Mapping[str, Any], source: str = "config.json") -> "ClipConfig":
        """Reads the original's config. Dropout rates and initializer ranges are skipped: inference has no use for
        either. Raises CheckpointError naming an option that is wrong or not supported."""
        refuse_options(data, {"model_type": "clip"}, source)
        text_data, text_source = _section(data, "text_config", source)
        vision_data, vision_source = _section(data, "vision_config", source)
        refuse_options(vision_data, {"num_channels": 3}, vision_source)
        text = pick(ClipTextConfig, text_data, text_source)
        vision = pick(ClipVisionConfig, vision_data, vision_source)
        _check_tower(text, text_source)
        _check_tower(vision, vision_source)
        if not 0 <= text.eos_token_id < text.vocab_size:
            raise CheckpointError(
                f"{text_source}: option eos_token_id must be below vocab_size = {text.vocab_size}, "
                f"not {text.eos_token_id}."
            )
        if not 0 < vision.patch_size <= vision.image_size:
            raise CheckpointError(
                f"{vision_source}: option patch_size must be between 1 and image_size = {vision.image_size}, "
                f"not {vision.patch_size}."
            )
        space = pick(_Space, data, source)
        if space.projection_dim < 1:
            raise CheckpointError(f"{source}: option projection_dim must be at least 1, not {space.projection_dim}.")
        return cls(text, vision, space.projection_dim, space.logit_scale_init_value)


@dataclass(frozen=True)
class _Space:
    projection_dim: int = 512
    logit_scale_init_value: float = 2.6592


def _section(data: Mapping[str, Any], name: str, source: str) -> tuple[Mapping[str, Any], str]:
    """The options of one tower and where they stand. `<name>_dict` is the old form; where both are given the original
    lets it win over everything in the new one."""
    legacy = f"{name}_dict"
    chosen = name if data.get(legacy) is None else legacy
    section = data.get(chosen)
    if section is None:
        section = {}
    if not isinstance(section, Mapping):
        raise CheckpointError(f"{source}: option {chosen} must be an object, not {section!r:.80}.")
    return section, f"{source}, {chosen}"


def _check_tower(tower: ClipTextConfig | ClipVisionConfig, source: str) -> None:
    if tower.hidden_act not in ACTIVATIONS:
        raise CheckpointError(
            f"{source}: option hidden_act = {tower.hidden_act!r:.80} is not supported; "
            f"use one of {', '.join(ACTIVATIONS)}."
        )
    for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"):
        if getattr(tower, name) < 1:
            raise CheckpointError(f"{source}: option {name} must be at least 1, not {getattr(tower, name)}.")
    if tower.hidden_size % tower.num_attention_heads:
        raise CheckpointError(
            f"{source}: option hidden_size = {tower.hidden_size} must be a multiple of "
            f"num_attention_heads = {tower.num_attention_heads}."
        )
