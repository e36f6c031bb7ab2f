"""DalleBart's config.json (dalle-mini 0.1.5, model/configuration.py)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.errors import CheckpointError
from bot.models.config_json import pick, refuse_options, require_positive

_ONLY_SUPPORTED: Mapping[str, Any] = {
    "model_type": "dallebart",
    "use_bias": False,
    "ln_type": "layernorm",
    "ln_positions": "normformer",
    "use_head_scale": False,
    "use_cosine_attention": False,
    "use_absolute_position_embeddings": True,
    "use_swin_position_embeddings": False,
    "use_deepnet_scaling": False,
    "use_glu": True,
    "use_alibi": False,
    "sinkhorn_iters": 1,
    "use_final_ln_encoder": True,
    "use_final_ln_decoder": True,
    "tie_word_embeddings": False,
    "is_encoder_decoder": True,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "force_bos_token_to_be_generated": False,
    "do_sample": True,
    "num_beams": 1,
    "no_repeat_ngram_size": 0,
}
"""Options of the original that change what it computes, each with the one value that is implemented here."""

_POSITIVE = (
    "encoder_vocab_size",
    "image_vocab_size",
    "image_length",
    "max_text_length",
    "d_model",
    "encoder_layers",
    "encoder_ffn_dim",
    "encoder_attention_heads",
    "decoder_layers",
    "decoder_ffn_dim",
    "decoder_attention_heads",
)


@dataclass(frozen=True)
class DalleBartConfig:
    """The options that inference reads, with the original's defaults. Special ids differ between released models.

    Dropout rates, init_std, use_subln_init, gradient_checkpointing and use_cache change nothing here, tau_init only
    with cosine attention. use_scan is seen from the weights: where config and file disagree, the original leaves the
    layers at random values.
    """

    encoder_vocab_size: int = 50264
    image_vocab_size: int = 16384
    image_length: int = 256
    max_text_length: int = 64
    d_model: int = 1024
    encoder_layers: int = 12
    encoder_ffn_dim: int = 4096
    encoder_attention_heads: int = 16
    decoder_layers: int = 12
    decoder_ffn_dim: int = 4096
    decoder_attention_heads: int = 16
    activation_function: str = "gelu"
    scale_embedding: bool = False
    force_ln_scale: bool = False
    normalize_text: bool = False
    decoder_start_token_id: int = 16384

    @classmethod
    def from_json(cls, data: Mapping[str, Any], source: str = "config.json") -> "DalleBartConfig":
        """Reads the original's config. Raises CheckpointError naming an option that is wrong or not supported."""
        refuse_options(data, _ONLY_SUPPORTED, source)
        vocabulary = data.get("image_vocab_size", cls.image_vocab_size)
        config = pick(cls, {"decoder_start_token_id": vocabulary, **data}, source)
        require_positive(config, _POSITIVE, source)
        length = data.get("max_length", config.image_length + 1)
        if length != config.image_length + 1:
            raise CheckpointError(
                f"{source}: option max_length = {length!r:.80} does not fit image_length = {config.image_length}; "
                f"it must be {config.image_length + 1}, the start token included."
            )
        for heads in ("encoder_attention_heads", "decoder_attention_heads"):
            if config.d_model % getattr(config, heads):
                raise CheckpointError(f"{source}: option d_model = {config.d_model} is not a multiple of {heads}.")
        if not 0 <= config.decoder_start_token_id <= config.image_vocab_size:
            raise CheckpointError(
                f"{source}: option decoder_start_token_id = {config.decoder_start_token_id} has no embedding; "
                f"ids run from 0 to {config.image_vocab_size}."
            )
        if config.activation_function not in ACTIVATIONS:
            raise CheckpointError(
                f"{source}: option activation_function = {config.activation_function!r:.80} is not supported; "
                f"known are {', '.join(ACTIVATIONS)}."
            )
        return config


ACTIVATIONS = ("gelu", "gelu_new", "relu", "silu", "swish")
"""`gelu` is the exact one (erf); `gelu_new` the tanh approximation."""
