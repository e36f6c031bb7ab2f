"""`dalle-bot bench precision`: what smaller dtypes and int8 matrices change, against the same model in float32.

Two comparisons. Forced: every setting reads the same codes, which the float32 model drew, and its logits are compared
at each position. Free: every setting draws for itself, always the likeliest code, and what comes out is compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from bot.checkpoints.bundle import Checkpoint, open_checkpoint
from bot.checkpoints.folders import ModelFolders
from bot.demo.scenes import evaluation_captions
from bot.engine.device_memory import DeviceMemory, device_memory
from bot.engine.precision import DTYPES, kept_dtypes
from bot.engine.sampling import guide
from bot.errors import ConfigError
from bot.models.attention import KeyValues
from bot.models.dalle_bart import Memory
from bot.models.int8 import WeightsKind
from bot.models.network import Params
from bot.startup import StartUp, format_amount

Setting = tuple[str, WeightsKind]
"""model.dtype and model.weights."""

SETTINGS: Final[Sequence[Setting]] = (
    ("float32", "int8"),
    ("bfloat16", "same"),
    ("bfloat16", "int8"),
    ("float16", "same"),
    ("float16", "int8"),
)


@dataclass(frozen=True, slots=True)
class Deviation:
    """One setting against float32. Logits are the guided ones of the codes.

    largest_error, mean_error: of a logit, in `spread`s of the report. top1_agreement: fraction of positions with the
    same likeliest code. greedy_agreement: fraction of equal codes among those drawn freely; greedy_prefix: how many
    codes of a picture are equal before the first other one, on average.
    """

    dtype: str
    weights: WeightsKind
    weights_bytes: int
    largest_error: float
    mean_error: float
    top1_agreement: float
    greedy_agreement: float
    greedy_prefix: float


@dataclass(frozen=True, slots=True)
class PrecisionReport:
    """spread: the standard deviation of float32's guided logits around their mean at each position."""

    model: str
    num_prompts: int
    image_length: int
    condition_scale: float
    spread: float
    float32_bytes: int
    deviations: tuple[Deviation, ...]
    device: str

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, for `json.dumps`."""
        return {**asdict(self), "deviations": [asdict(deviation) for deviation in self.deviations]}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield (
            f"{self.model} against float32 ({format_amount(self.float32_bytes, 'bytes')}): {self.num_prompts} prompts, "
            f"{self.image_length} codes each, condition_scale {self.condition_scale:g}, on {self.device}"
        )
        yield f"Errors of logits are in their standard deviation, {self.spread:.3g}."
        yield f"{'':17}{'weights':>9}{'largest':>10}{'mean':>10}{'top 1':>9}{'greedy':>9}{'equal first':>13}"
        for d in self.deviations:
            yield (
                f"{d.dtype + ', ' + d.weights:<17}{format_amount(d.weights_bytes, 'bytes'):>9}{d.largest_error:>10.4f}"
                f"{d.mean_error:>10.5f}{d.top1_agreement:>9.1%}{d.greedy_agreement:>9.1%}{d.greedy_prefix:>13.1f}"
            )


class _Texts(NamedTuple):
    """int32 [2 * n, text_length]: n prompts, then n times the unconditional one."""

    ids: jax.Array
    mask: jax.Array


class _Outcome(NamedTuple):
    """logits float32 [n, image_length, codes], guided; greedy int32 [n, image_length]."""

    logits: npt.NDArray[np.float32]
    greedy: npt.NDArray[np.int32]


def measure_precision(
    folders: ModelFolders,
    *,
    settings: Sequence[Setting] = SETTINGS,
    num_prompts: int = 4,
    seed: int = 0,
    condition_scale: float | None = None,
    device: jax.Device | None = None,
    memory_fraction: float = 0.9,
    start_up: StartUp | None = None,
) -> PrecisionReport:
    """Loads the model in float32, then in each of `settings`, one after the other, on JAX's default device.

    seed: of the prompts and of the codes. condition_scale: None is the model's own. device: the default one, None is
    the first. memory_fraction: as engine.memory_fraction. Raises CheckpointError, and ConfigError if float32 does not
    fit.
    """
    start_up = start_up or StartUp()
    device = device or jax.local_devices()[0]
    prompts = evaluation_captions(seed, num_prompts)
    checkpoint = open_checkpoint(folders, dtype=DTYPES["float32"])
    _expect_room(checkpoint.bart_weights.num_bytes, device_memory([device], memory_fraction))
    scale = checkpoint.sampling.condition_scale if condition_scale is None else condition_scale
    with start_up.stage("float32"), jax.default_matmul_precision("float32"):
        reference = _Model(checkpoint, prompts, scale)
        codes = reference.draw(jax.random.key(seed))
        expected = reference.outcome(codes)
        del reference
    spread = float(np.std(expected.logits, axis=-1).mean())
    deviations = []
    for dtype, weights in settings:
        other = open_checkpoint(folders, dtype=DTYPES[dtype], weights=weights)
        with start_up.stage(f"{dtype}, {weights}"):
            outcome = _Model(other, prompts, scale).outcome(codes)
        deviations.append(_compare(dtype, weights, other.bart_weights.num_bytes, expected, outcome, spread))
    return PrecisionReport(
        model=folders.name,
        num_prompts=num_prompts,
        image_length=checkpoint.bart_config.image_length,
        condition_scale=scale,
        spread=spread,
        float32_bytes=checkpoint.bart_weights.num_bytes,
        deviations=tuple(deviations),
        device=device.device_kind,
    )


def _expect_room(weights_bytes: int, memory: DeviceMemory) -> None:
    usable, available = memory.usable_bytes, memory.available_bytes
    if usable is not None and available is not None and weights_bytes > usable:
        raise ConfigError(
            f"The comparison needs the model in float32, whose weights take {format_amount(weights_bytes, 'bytes')}; "
            f"usable are {format_amount(usable, 'bytes')} ({format_amount(available, 'bytes')} available x "
            f"engine.memory_fraction {memory.fraction:.3g}). Compare a smaller --model, or on another engine.device."
        )


def _compare(
    dtype: str, weights: WeightsKind, weights_bytes: int, expected: _Outcome, outcome: _Outcome, spread: float
) -> Deviation:
    errors = np.abs(outcome.logits - expected.logits)
    same = outcome.greedy == expected.greedy
    return Deviation(
        dtype=dtype,
        weights=weights,
        weights_bytes=weights_bytes,
        largest_error=float(errors.max()) / spread,
        mean_error=float(errors.mean()) / spread,
        top1_agreement=float(np.mean(outcome.logits.argmax(-1) == expected.logits.argmax(-1))),
        greedy_agreement=float(same.mean()),
        greedy_prefix=float(np.cumprod(same, axis=1).sum(axis=1).mean()),
    )


class _Model:
    """DalleBart of a checkpoint, loaded, with encoded prompts."""

    def __init__(self, checkpoint: Checkpoint, prompts: Sequence[str], condition_scale: float) -> None:
        self._net, self._config = checkpoint.bart, checkpoint.bart_config
        self._dtype, self._num_codes = checkpoint.dtype, checkpoint.vqgan_config.n_embed
        self._params = checkpoint.bart_weights.load(None, lambda _: None)
        self._scale = jnp.full(len(prompts), condition_scale, jnp.float32)
        tokenizer = checkpoint.prompt_tokenizer
        given, nothing = tokenizer.encode(prompts), tokenizer.encode_unconditional()
        self._texts = _Texts(
            *(
                jnp.concatenate([jnp.asarray(mine), jnp.repeat(jnp.asarray(none), len(prompts), axis=0)])
                for mine, none in ((given.ids, nothing.ids), (given.mask, nothing.mask))
            )
        )

    def draw(self, key: jax.Array) -> jax.Array:
        """Codes int32 [n, image_length] from the model's own distribution."""
        codes: jax.Array = jax.jit(self._decode)(self._params, self._texts, key)
        return codes

    def outcome(self, codes: jax.Array) -> _Outcome:
        """codes int32 [n, image_length]: what the forced comparison reads."""
        logits = jax.jit(self._forced)(self._params, self._texts, codes)
        greedy = jax.jit(self._decode)(self._params, self._texts, None)
        return _Outcome(np.asarray(logits), np.asarray(greedy))

    def _forced(self, params: Params, texts: _Texts, codes: jax.Array) -> jax.Array:
        bart = self._net.bind(params)
        memory = bart.memory(*texts)
        start = jnp.full((codes.shape[0], 1), self._config.decoder_start_token_id, jnp.int32)
        tokens = jnp.concatenate([start, codes[:, :-1]], axis=1)
        logits = bart.logits(jnp.concatenate([tokens, tokens]), memory)
        guided: jax.Array = jax.vmap(self._guided, in_axes=1, out_axes=1)(logits)
        return guided

    def _decode(self, params: Params, texts: _Texts, key: jax.Array | None) -> jax.Array:
        """key: None takes the likeliest code each time."""
        bart = self._net.bind(params)
        memory = bart.memory(*texts)
        length = self._config.image_length

        def step(
            carry: tuple[jax.Array, tuple[KeyValues, ...]], position: jax.Array
        ) -> tuple[tuple[jax.Array, tuple[KeyValues, ...]], jax.Array]:
            tokens, caches = carry
            twice = jnp.concatenate([tokens, tokens])
            logits, caches = bart.step(twice, jnp.full(twice.shape, position), caches, length, memory)
            guided = self._guided(logits)
            if key is not None:
                guided += jax.random.gumbel(jax.random.fold_in(key, position), guided.shape)
            chosen = jnp.argmax(guided, axis=-1).astype(jnp.int32)
            return (chosen, caches), chosen

        start = jnp.full(self._scale.shape, self._config.decoder_start_token_id, jnp.int32)
        _, codes = jax.lax.scan(step, (start, self._caches(memory)), jnp.arange(length))
        return codes.T

    def _guided(self, logits: jax.Array) -> jax.Array:
        """[2 * n, vocabulary] -> float32 [n, codes]."""
        cond, uncond = jnp.split(logits.astype(jnp.float32), 2)
        return guide(cond, uncond, self._scale)[:, : self._num_codes]

    def _caches(self, memory: Memory) -> tuple[KeyValues, ...]:
        *leading, head_dim, _ = memory.layers[0].keys.shape
        dtype = kept_dtypes(self._dtype, jax.local_devices()[0].platform).image
        empty = KeyValues.zeros(tuple(leading), head_dim, self._config.image_length, dtype)
        return (empty,) * self._config.decoder_layers
