"""min-dalle 0.4.11 (PyTorch) with the weights of a dalle-mini file.

Its constructor downloads converted weights; what it would then hold is put together here, and its loop runs as it is.
That loop starts a picture with code 16383 instead of the start token: the checkpoint that both sides read says so too.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from flax.serialization import msgpack_restore

from bot.checkpoints.json_file import read_json
from bot.models.network import walk
from tests.parity.outputs import SCALE, Floats, Ints, Outputs, Texts, as_floats
from tests.parity.sizes import IMAGE_LENGTH, TEXT_LENGTH

START_TOKEN: Final = 2**14 - 1
"""What generate_raw_image_stream starts a picture with."""

WARNINGS: Final = (
    r"ignore:`torch\.cuda\.amp\.autocast\(args\.\.\.\)` is deprecated:FutureWarning",
    "ignore:CUDA is not available or torch_xla is imported. Disabling autocast:UserWarning",
)
"""What pytest is to ignore: its loop asks for CUDA's mixed precision on any device."""

_MODULES: Final = {
    "FlaxBartAttention_0": "self_attn",
    "FlaxBartAttention_1": "encoder_attn",
    "LayerNorm_0": "pre_self_attn_layer_norm",
    "LayerNorm_1": "self_attn_layer_norm",
    "LayerNorm_2": "pre_encoder_attn_layer_norm",
    "LayerNorm_3": "encoder_attn_layer_norm",
}
_GLU_MODULES: Final = {"LayerNorm_0": "ln0", "LayerNorm_1": "ln1", "Dense_0": "fc0", "Dense_1": "fc1", "Dense_2": "fc2"}


class MinDalle:
    """The package. Raises ImportError where it, or PyTorch, is not installed."""

    def __init__(self) -> None:
        self._torch: Any = importlib.import_module("torch")
        self._package: Any = importlib.import_module("min_dalle")
        self._models: Any = importlib.import_module("min_dalle.models")

    def outputs(self, folder: Path, texts: Texts, pictures: Ints) -> Outputs:
        """Teacher forcing in float32; pictures int32 [n, image_length]."""
        peer, torch = self._open(folder), self._torch
        rows = []
        for ids, uncond_ids, picture in zip(texts.ids, texts.uncond_ids, pictures, strict=True):
            both = torch.tensor(np.stack([uncond_ids, ids]), dtype=torch.long)
            encoded = peer.encoder.forward(both)
            logits, _ = peer.decoder.forward(
                attention_mask=both.not_equal(1)[:, None, None, :],
                encoder_state=encoded,
                attention_state=torch.zeros(peer.layer_count),
                prev_tokens=torch.tensor([[START_TOKEN, *picture[:-1]]]),
                token_index=torch.arange(IMAGE_LENGTH),
            )
            uncond, cond = as_floats(logits)
            rows.append((*as_floats(encoded)[::-1], cond, uncond, uncond * (1 - SCALE) + cond * SCALE))
        return Outputs(*map(np.stack, zip(*rows, strict=True)))

    def greedy(self, folder: Path, ids: Ints) -> Ints:
        """Its own generation loop at top_k 1 and SCALE. ids: int32 [text_length] of one prompt -> codes int32
        [image_length]."""
        peer = self._open(folder)
        peer.tokenizer = _Given(ids[ids != 1].tolist())
        peer.detokenizer = _Kept()
        options = {"seed": 1, "grid_size": 1, "top_k": 1, "supercondition_factor": SCALE}
        (codes,) = peer.generate_raw_image_stream("", **options)
        return np.asarray(codes[0], np.int32)

    def _open(self, folder: Path) -> Any:
        """A MinDalle that holds the weights in `folder`."""
        config = read_json(folder / "config.json")
        assert config["decoder_start_token_id"] == START_TOKEN
        file: Any = msgpack_restore((folder / "flax_model.msgpack").read_bytes())
        peer: Any = object.__new__(self._package.MinDalle)
        peer.device, peer.dtype, peer.is_reusable = "cpu", self._torch.float32, True
        peer.text_token_count, peer.layer_count = TEXT_LENGTH, config["decoder_layers"]
        peer.embed_count = config["d_model"]
        peer.encoder = self._models.DalleBartEncoder(
            layer_count=config["encoder_layers"],
            embed_count=config["d_model"],
            attention_head_count=config["encoder_attention_heads"],
            text_vocab_count=config["encoder_vocab_size"],
            text_token_count=TEXT_LENGTH,
            glu_embed_count=config["encoder_ffn_dim"],
            device="cpu",
        )
        peer.decoder = self._models.DalleBartDecoder(
            layer_count=config["decoder_layers"],
            embed_count=config["d_model"],
            attention_head_count=config["decoder_attention_heads"],
            image_vocab_count=config["image_vocab_size"],
            glu_embed_count=config["decoder_ffn_dim"],
            device="cpu",
        )
        self._fill(peer.encoder, file["model"]["encoder"])
        self._fill(peer.decoder, {**file["model"]["decoder"], "lm_head": file["lm_head"]})
        return peer

    def _fill(self, module: Any, tree: Any) -> None:
        state = {name: self._torch.tensor(array) for name, array in _torch_arrays(tree)}
        missing, unexpected = module.load_state_dict(state, strict=False)
        assert not unexpected
        # Norms before a projection have no scale in the file; PyTorch's begins at 1.
        for name in missing:
            owner, _, last = name.rpartition(".")
            assert last == "weight"
            assert isinstance(module.get_submodule(owner), self._torch.nn.LayerNorm)


def _torch_arrays(tree: Any) -> Iterator[tuple[str, Floats]]:
    """Names and arrays for PyTorch of one side of a stacked dalle-mini file."""
    for path, array in walk(tree):
        *owners, last = map(str, path)
        leaf = "bias" if last == "bias" else "weight"
        values = array.swapaxes(-1, -2) if last == "kernel" else array
        if owners[0] != "layers":
            yield ".".join([*owners, leaf]), values
            continue
        block, *inner = owners[2:]
        names = ["glu", _GLU_MODULES[inner[0]]] if block == "GLU_0" else [_MODULES[block], *inner]
        for i, layer in enumerate(values):
            yield ".".join(["layers", str(i), *names, leaf]), layer


class _Given:
    """Stands for its tokenizer: gives these ids, whatever the text."""

    def __init__(self, ids: list[int]) -> None:
        self._ids = ids

    def tokenize(self, text: str, is_verbose: bool) -> list[int]:
        return self._ids


class _Kept:
    """Stands for its VQGAN: the codes themselves come out of the loop."""

    def forward(self, is_seamless: bool, image_tokens: Any) -> Any:
        return image_tokens
