"""CLIP's config.json in its old and new forms."""

from typing import Any

import pytest

from bot.errors import CheckpointError
from bot.models.clip_config import ClipConfig, ClipTextConfig, ClipVisionConfig


def test_empty_sections_mean_the_originals_defaults() -> None:
    config = ClipConfig.from_json({"model_type": "clip", "text_config": {}, "vision_config": {"model_type": "x"}})
    assert config == ClipConfig(ClipTextConfig(), ClipVisionConfig(), 512, 2.6592)
    assert config.vision.num_positions == 50
    assert not config.text.pools_at_largest_id


def test_old_form() -> None:
    data = {
        "projection_dim": 640,
        "text_config": {"hidden_size": 64, "num_attention_heads": 4, "eos_token_id": 2},
        "text_config_dict": {"hidden_size": 96, "eos_token_id": 2, "dropout": 0.1},
        "vision_config": {"hidden_size": 64, "num_attention_heads": 4},
        "vision_config_dict": None,
    }
    config = ClipConfig.from_json(data)
    assert config.projection_dim == 640
    assert config.text == ClipTextConfig(hidden_size=96, eos_token_id=2)
    assert config.text.pools_at_largest_id
    assert (config.vision.hidden_size, config.vision.num_attention_heads) == (64, 4)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"model_type": "siglip"}, "model_type"),
        ({"projection_dim": "512"}, "projection_dim"),
        ({"projection_dim": 0}, "projection_dim"),
        ({"text_config": []}, "text_config"),
        ({"text_config": {"hidden_act": "gelu_new"}}, "text_config: option hidden_act = 'gelu_new'"),
        ({"vision_config": {"hidden_act": "relu"}}, "vision_config: option hidden_act = 'relu'"),
        ({"text_config": {"hidden_size": 65}}, "hidden_size"),
        ({"text_config": {"num_hidden_layers": 0}}, "num_hidden_layers"),
        ({"text_config": {"eos_token_id": [2, 3]}}, "eos_token_id"),
        ({"text_config_dict": {"vocab_size": 100}}, "text_config_dict: option eos_token_id"),
        ({"vision_config": {"num_channels": 4}}, "num_channels"),
        ({"vision_config": {"patch_size": 300}}, "patch_size"),
        ({"vision_config": {"patch_size": 0}}, "patch_size"),
    ],
)
def test_refuses_by_name(data: dict[str, Any], named: str) -> None:
    with pytest.raises(CheckpointError, match=named):
        ClipConfig.from_json(data)
