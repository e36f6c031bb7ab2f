"""DalleBart's options: the released models' shapes, and a refusal by name for everything that is not implemented."""

import json
import re
from typing import Any

import pytest

from bot.checkpoints.dalle_bart import names_of, network, places
from bot.checkpoints.places import stored_shapes
from bot.errors import CheckpointError
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.network import num_parameters, walk
from tests.golden.sets import GOLDEN, config_of, listed

# Where config.json of the released models differs from the original's defaults.
RELEASED: dict[str, dict[str, Any]] = {
    "mini": {"encoder_ffn_dim": 2730, "decoder_ffn_dim": 2730},
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
}
COUNTS = json.loads((GOLDEN / "param_counts.json").read_text("utf-8"))


@pytest.mark.parametrize("model", RELEASED)
def test_released_names_and_shapes(model: str) -> None:
    """Nothing is allocated: Mega's weights would take ten gigabytes."""
    net = network(DalleBartConfig.from_json(RELEASED[model]))
    for layout, stacked in (("noscan", False), ("scan", True)):
        ours = stored_shapes(net.shapes, places(net.shapes, stacked=stacked))
        assert ours == listed(f"param_names_{model}_{layout}.txt")
    assert num_parameters(net.shapes) == COUNTS[f"{model}_noscan"]["total"]


def test_forced_scales_are_parameters() -> None:
    """Norms before projections get a scale; the other norms have one anyway."""

    def names(force: bool) -> set[str]:
        config = DalleBartConfig.from_json(config_of("dalle_tiny_mini", force_ln_scale=force))
        return {name for path, _ in walk(network(config).shapes) for name in names_of(path)}

    norms = {name.removesuffix("/bias") for name in names(True) if name.endswith("/bias")}
    assert names(False) < names(True)
    assert {f"{norm}/scale" for norm in norms} <= names(True)
    assert "model/decoder/final_ln/scale" in names(True) - names(False)


def test_the_start_token_follows_the_vocabulary() -> None:
    data = config_of("dalle_tiny_mini")
    del data["decoder_start_token_id"]
    assert DalleBartConfig.from_json(data).decoder_start_token_id == 128
    assert DalleBartConfig.from_json({**data, "decoder_start_token_id": 7}).decoder_start_token_id == 7


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("use_bias", True),
        ("ln_type", "rmsnorm"),
        ("ln_positions", "postln"),
        ("ln_positions", "cogview"),
        ("ln_positions", "swinv2"),
        ("ln_positions", "preln"),
        ("ln_positions", "subln"),
        ("ln_positions", "deepnet"),
        ("use_head_scale", True),
        ("use_cosine_attention", True),
        ("use_absolute_position_embeddings", False),
        ("use_swin_position_embeddings", True),
        ("use_deepnet_scaling", True),
        ("use_glu", False),
        ("use_alibi", True),
        ("sinkhorn_iters", 2),
        ("use_final_ln_encoder", False),
        ("use_final_ln_decoder", False),
        ("tie_word_embeddings", True),
        ("is_encoder_decoder", False),
        ("forced_bos_token_id", 128),
        ("forced_eos_token_id", 128),
        ("force_bos_token_to_be_generated", True),
        ("do_sample", False),
        ("num_beams", 4),
        ("no_repeat_ngram_size", 2),
        ("max_length", 16),
        ("activation_function", "tanh"),
        ("decoder_start_token_id", 129),
        ("decoder_start_token_id", -1),
        ("d_model", 62),
        ("d_model", "64"),
        ("encoder_layers", 0),
        ("decoder_layers", -2),
        ("decoder_attention_heads", 0),
        ("image_length", 0),
        ("max_text_length", 16.0),
        ("normalize_text", "yes"),
        ("scale_embedding", 1),
        ("force_ln_scale", None),
    ],
)
def test_refuses_by_name(option: str, value: Any) -> None:
    with pytest.raises(CheckpointError, match=f"mini/config.json: option {option} .*{re.escape(repr(value))}"):
        DalleBartConfig.from_json(config_of("dalle_tiny_mini", **{option: value}), "mini/config.json")
