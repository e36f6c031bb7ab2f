"""What is fuzzed: every reader of what somebody else has written. A check lets pass what the reader refuses in its own
words, and nothing else."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgpack
import numpy as np
from flax import serialization
from safetensors.numpy import save

from bot.checkpoints.array_file import open_array_file
from bot.checkpoints.arrays import read_arrays
from bot.checkpoints.bundle import read_sampling
from bot.checkpoints.hashtags import HashtagSplitter
from bot.checkpoints.json_file import read_json
from bot.checkpoints.text import PromptNormalizer
from bot.checkpoints.tokenizers import PromptTokenizer
from bot.config_loading import load_settings
from bot.errors import CheckpointError, ConfigError, InvalidParameterError, InvalidPromptError, UnknownControlError
from bot.models.clip_config import ClipConfig
from bot.models.clip_preprocess import ClipPreprocessing
from bot.models.dalle_bart_config import DalleBartConfig
from bot.models.vqgan import VQGANConfig
from bot.moderation.image_categories import SHIPPED_CATEGORIES, read_categories
from bot.moderation.prompt_rules import Category, RuleAction, RuleSet
from bot.moderation.rule_file import decode as decode_rules
from bot.moderation.rule_file import parse_rules, write_rules
from bot.requests import MAX_PROMPT_CHARACTERS
from bot.views.custom_id import MAX_CHARACTERS, OURS, Action, CustomId
from tests.fuzz.draws import Draws, decode, encode
from tests.fuzz.fuzzing import Target

GOLDEN: Final = Path(__file__).parents[1] / "golden"
ROOT: Final = Path(__file__).parents[2]

_ID_PARTS: Final = (
    *("1:", ":", "0123456789ab", "000000000000", ":1", ":2.subtle", ".", "-", "_", "01", "١", "\n", "0123456789AB"),
    *(f"1:{action}:0123456789ab" for action in Action),
)
_PROMPT_PARTS: Final = (
    *("#", "#newyorkcity", "<person>", "<person> and <person>", "<b>", "&amp;amp;", "&#x41;", "&lt;", "http://a.b/c"),
    *("[12]", "1,000", "1/2", "a.b", "'s", "'ll", '"', ", ,", " - ", "...", "!!!!", "viii", ":smile:", "é", "ß"),
    *("\u200b", "\u202e", "\ufeff", "\x00", "\x85", "\u2028", "漢字", "Ünï", "â€œ", "👩‍🚀"),
    *("xtokxdotxtokx", "(", "{", "\\", "_"),
)
_RULE_PARTS: Final = (
    *(f"{action}: " for action in RuleAction),
    *("\n", "\n", "\r", "# ", "*", "/", "/a+b/", "/(", ")", "[a-z]", "{2}", "{1000}", "\\pL", "(?i)", "|", "^", "$"),
    *("naked", "blood", "a$$", "nu\u200bde", "пυde", "漢字", "ab", "aabb", "a b", "'", "\ufeff", "\x0b", "\u2028"),
)
_PROMPTS: Final = ("a n.4.k.e.d man", "ab" * 200, "a nüde blood bath, 漢字", "")


def _check_custom_id(data: bytes) -> None:
    text = decode(data)
    try:
        parsed = CustomId.parse(text)
    except UnknownControlError:
        return
    assert str(parsed) == text
    assert len(text) <= MAX_CHARACTERS
    assert OURS.fullmatch(text)
    assert parsed.action in Action


@cache
def _normalizer() -> PromptNormalizer:
    words = (GOLDEN / "enwiki-words-frequency_stub.txt").read_text("utf-8").splitlines()
    return PromptNormalizer(HashtagSplitter([line.split()[0] for line in words if line.strip()]))


def _check_prompt(data: bytes) -> None:
    text = decode(data)[:MAX_PROMPT_CHARACTERS]
    normal = _normalizer()(text)
    assert normal.isascii()
    assert normal.startswith(" ")
    assert "\n" not in normal
    assert normal == normal.lower()
    assert len(normal) < 50 * (len(text) + 10)
    assert PromptNormalizer(None)(text).isascii()


def _check_rules(data: bytes) -> None:
    try:
        read = parse_rules(decode_rules(data), category=Category.SERVER)
    except InvalidParameterError:
        return
    assert parse_rules(write_rules(read.rules)).rules == read.rules
    rules = RuleSet(read.rules)
    for prompt in (*_PROMPTS, decode(data)[:MAX_PROMPT_CHARACTERS]):
        try:
            verdict = rules.check(prompt, prompt[:50])
        except InvalidPromptError:
            continue
        for hit in verdict.hits:
            assert 0 <= hit.start < hit.end <= len(prompt)


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="dalle-bot-fuzz-"))


def _written(name: str, data: bytes) -> Path:
    file = _folder() / name
    file.write_bytes(data)
    return file


def _check_config(data: bytes) -> None:
    variables = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(("DALLE_BOT_", "DISCORD_"))}
    file = _written("config.toml", data)
    try:
        settings = load_settings(file)
    except ConfigError:
        pass
    else:
        assert repr(settings)
        assert settings.store_url
        assert settings.data_dir.is_absolute()
        list(settings.secrets())
    finally:
        os.environ.update(variables)
    try:
        read_categories(file)
    except ConfigError:
        pass


_CONFIGS: Final[tuple[str, ...]] = (
    (ROOT / "config.example.toml").read_text("utf-8"),
    SHIPPED_CATEGORIES.read_text("utf-8"),
    '[discord]\ntoken = "MTIz.GabcDE.abc"\nallowed_guilds = [1, 2]\n[store]\nurl = "postgresql+psycopg://u:p@h/d"\n',
    'data_dir = "~/x"\n[model]\nname = "a/b"\n[moderation]\nrules_file = "rules"\n[log]\njson = true\nlevel = "INFO"\n',
)
_CONFIG_PARTS: Final = (
    *("\n", " = ", "[", "]", '"', "'''", "~x", "\\u0000", "{a = ", "1e400", "nan", "-1", "true", "1979-05-27"),
    *("data_dir", "discord", "token", "queue.max_jobs", "[queue]", "[engine]", "memory_fraction", "[[log]]", "a.b.c"),
    *("neutral", "[categories.x]", "texts", "threshold", "9" * 40, "0x", "[1, [2]]"),
)


def _make_config(draws: Draws) -> bytes:
    if draws.byte() < 100:
        return encode(draws.text(_CONFIG_PARTS, 2000))
    return draws.damaged([config.encode() for config in _CONFIGS])


_WEIGHTS: Final = {"a": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}, "b": {"0": np.ones(3, np.float16)}}
_CHUNKED: Final = {"c": {"__msgpack_chunked_array__": True, "shape": {"0": 2}, "chunks": {"0": np.ones(2, np.int8)}}}


def _check_arrays(name: str) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        file = _written(name, data)
        for array in open_array_file(file).arrays.values():
            assert all(offset >= 0 and offset + nbytes <= len(data) for offset, nbytes in array.pieces)
        read_arrays(file)

    return check


def _check_json(read: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], None]:
    return lambda data: read(read_json(_written("some.json", data)))


def _check_tokenizer(data: bytes) -> None:
    folder = _folder() / "tokenizer"
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_bytes(data)
    tokenizer = PromptTokenizer.load(folder, max_length=16, normalize=False)
    for prompt in ("a red circle", "\ufdfa" * 40, "a" * 200, ""):
        assert tokenizer.encode([prompt]).ids.shape == (1, 16)


def _check_sampling(data: bytes) -> None:
    _written("config.json", b"{}")
    _written("generation_config.json", data)
    read_sampling(_folder())


def _sample(path: str) -> bytes:
    return (GOLDEN / path).read_bytes()


def _tokenizers() -> tuple[bytes, ...]:
    """Small ones: in a large one most damage falls into the vocabulary."""
    data = json.loads(_sample("tokenizer_tiny/tokenizer.json"))
    known = ("<s>", "<pad>", "</s>", "<unk>", "a", "r", "e", "d", "Ġ", "re", "red")
    data["model"] |= {"vocab": {token: n for n, token in enumerate(known)}, "merges": [["r", "e"], ["re", "d"]]}
    split = {"type": "Split", "pattern": {"Regex": "\\s+"}, "behavior": "Isolated", "invert": False}
    replace = {"type": "Replace", "pattern": {"String": "a"}, "content": "b"}
    other = data | {"pre_tokenizer": split, "normalizer": {"type": "Sequence", "normalizers": [replace]}}
    return json.dumps(data).encode(), json.dumps(other).encode()


_KINDS: Final[Mapping[bytes, tuple[Callable[[bytes], Any], tuple[bytes, ...]]]] = {
    b"m": (
        _check_arrays("weights.msgpack"),
        (serialization.msgpack_serialize(_WEIGHTS), serialization.msgpack_serialize(_CHUNKED), msgpack.packb({"a": 1})),
    ),
    b"s": (_check_arrays("weights.safetensors"), (save({"a": np.ones((2, 3), np.float32), "b": np.zeros(4)}),)),
    b"d": (_check_json(DalleBartConfig.from_json), (_sample("dalle_tiny_mini/config.json"), b"{}")),
    b"v": (_check_json(VQGANConfig.from_json), (_sample("vqgan_tiny_opts/config.json"), b"{}")),
    b"c": (_check_json(ClipConfig.from_json), (_sample("clip_tiny/config.json"), b"{}")),
    b"p": (
        _check_json(lambda data: ClipPreprocessing.from_json(data, 224)),
        (b'{"do_resize": true, "size": {"shortest_edge": 224}, "image_mean": [0.5, 0.5, 0.5], "crop_size": 224}',),
    ),
    b"g": (_check_sampling, (b'{"condition_scale": 10.0, "top_k": 50, "top_p": 1.0, "temperature": 1.0}',)),
    b"t": (_check_tokenizer, _tokenizers()),
}


def _make_checkpoint(draws: Draws) -> bytes:
    kind = draws.pick(sorted(_KINDS))
    return kind + draws.damaged(_KINDS[kind][1])


def _check_checkpoint(data: bytes) -> None:
    """The first byte says which file of a checkpoint the others are."""
    known = _KINDS.get(data[:1])
    if known is None:
        return
    try:
        known[0](data[1:])
    except CheckpointError:
        pass


TARGETS: Final = {
    target.name: target
    for target in (
        Target("custom_id", lambda draws: encode(draws.text(_ID_PARTS, 200)), _check_custom_id),
        Target("prompt", lambda draws: encode(draws.text(_PROMPT_PARTS, MAX_PROMPT_CHARACTERS)), _check_prompt),
        Target("config", _make_config, _check_config),
        Target("checkpoint", _make_checkpoint, _check_checkpoint),
        Target("rules", lambda draws: encode(draws.text(_RULE_PARTS, 2000)), _check_rules),
    )
}
