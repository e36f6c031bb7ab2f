"""The options in config.json of models that the bench commands fill with random numbers: the released models' sizes."""

from collections.abc import Mapping
from typing import Any, Final, Literal

Size = Literal["mega", "mini", "tiny"]

DALLE_BART: Final[Mapping[str, Mapping[str, Any]]] = {
    "mega": {
        "encoder_vocab_size": 50272,
        "image_vocab_size": 16415,
        "decoder_start_token_id": 16384,
        "d_model": 2048,
        "encoder_layers": 24,
        "encoder_attention_heads": 32,
        "decoder_layers": 24,
        "decoder_attention_heads": 32,
    },
    "mini": {"encoder_ffn_dim": 2730, "decoder_ffn_dim": 2730},
    "tiny": {
        "encoder_vocab_size": 1200,
        "image_vocab_size": 256,
        "image_length": 16,
        "d_model": 64,
        "encoder_layers": 2,
        "encoder_ffn_dim": 96,
        "encoder_attention_heads": 2,
        "decoder_layers": 2,
        "decoder_ffn_dim": 96,
        "decoder_attention_heads": 2,
    },
}
"""Where config.json of the released models differs from the original's defaults; tiny is nobody's."""

VQGAN: Final[Mapping[str, Any]] = {"n_embed": 16384}
TINY_VQGAN: Final[Mapping[str, Any]] = {
    "n_embed": 256,
    "ch": 32,
    "ch_mult": [1, 2],
    "resolution": 8,
    "z_channels": 8,
    "embed_dim": 8,
}
CLIP: Final[Mapping[str, Any]] = {"model_type": "clip", "text_config": {}, "vision_config": {}}
_TINY_TOWER: Final = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
TINY_CLIP: Final[Mapping[str, Any]] = {
    "model_type": "clip",
    "projection_dim": 32,
    "text_config": {**_TINY_TOWER, "vocab_size": 1200},
    "vision_config": {**_TINY_TOWER, "image_size": 32, "patch_size": 16},
}
