"""Tokenizers: golden ids, truncation, files that are missing, damaged or at odds with each other."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.processors import RobertaProcessing

from bot.checkpoints.hashtags import WORDS_FILE
from bot.checkpoints.tokenizers import ClipTokenizer, PromptTokenizer
from bot.errors import CheckpointError, CheckpointNotFoundError

GOLDEN = Path(__file__).parent.parent / "golden"
PROMPTS: list[str] = json.loads((GOLDEN / "text.json").read_text("utf-8"))["prompts"]
LONG_PROMPT = next(i for i, prompt in enumerate(PROMPTS) if prompt.endswith("long prompt"))

CLIP_MERGES = ["c a", "ca t</w>", "' s</w>", "d o", "do g", "dog s</w>", "r e", "re d</w>"]
WORD_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "a", "red", "circle"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The golden tokenizer with the golden word list."""
    shutil.copytree(GOLDEN / "tokenizer_tiny", tmp_path, dirs_exist_ok=True)
    shutil.copy(GOLDEN / "enwiki-words-frequency_stub.txt", tmp_path / WORDS_FILE)
    return tmp_path


@pytest.fixture
def clip_folder(tmp_path: Path) -> Path:
    """A tokenizer in the layout of OpenAI's: bytes, bytes that end a word, merges, special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merged = [merge.replace(" ", "") for merge in CLIP_MERGES]
    tokens = [*alphabet, *(f"{char}</w>" for char in alphabet), *merged, "<|startoftext|>", "<|endoftext|>"]
    (tmp_path / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), "utf-8")
    (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *CLIP_MERGES, ""]), "utf-8")
    return tmp_path


def clip_tokens(folder: Path, text: str) -> list[str]:
    names = {i: token for token, i in json.loads((folder / "vocab.json").read_text("utf-8")).items()}
    encoded = ClipTokenizer.load(folder, 77).encode([text])
    return [names[i] for i in encoded.ids[0][encoded.mask[0] == 1].tolist()]


@pytest.mark.parametrize("file", ["tokenizer.json", "vocab.json"])
@pytest.mark.parametrize(
    ("max_length", "normalize", "case"), [(64, True, ""), (16, True, "len16_"), (64, False, "nonorm_")]
)
def test_golden_ids(folder: Path, file: str, max_length: int, normalize: bool, case: str) -> None:
    if file == "vocab.json":
        (folder / "tokenizer.json").unlink()
    golden = np.load(GOLDEN / "text.npz")
    encoded = PromptTokenizer.load(folder, max_length=max_length, normalize=normalize).encode(PROMPTS)
    np.testing.assert_array_equal(encoded.ids, golden[f"{case}input_ids"])
    np.testing.assert_array_equal(encoded.mask, golden[f"{case}attention_mask"])
    assert encoded.ids.dtype == encoded.mask.dtype == np.int32


@pytest.mark.parametrize(("max_length", "case"), [(64, ""), (16, "len16_")])
def test_golden_unconditional(folder: Path, max_length: int, case: str) -> None:
    golden = np.load(GOLDEN / "text.npz")
    encoded = PromptTokenizer.load(folder, max_length=max_length, normalize=True).encode_unconditional()
    np.testing.assert_array_equal(encoded.ids, golden[f"{case}input_ids_uncond"][:1])
    np.testing.assert_array_equal(encoded.mask, golden[f"{case}attention_mask_uncond"][:1])


def test_a_users_empty_prompt_is_not_the_unconditional_one(folder: Path) -> None:
    tokenizer = PromptTokenizer.load(folder, max_length=64, normalize=True)
    assert tokenizer.encode([""]).mask.sum() == tokenizer.encode_unconditional().mask.sum() + 1


def test_counts_dropped_tokens(folder: Path) -> None:
    short = PromptTokenizer.load(folder, max_length=16, normalize=True).encode([PROMPTS[LONG_PROMPT], "a dog"])
    whole = PromptTokenizer.load(folder, max_length=512, normalize=True).encode([PROMPTS[LONG_PROMPT]])
    assert whole.num_dropped == (0,)
    assert short.num_dropped == (int(whole.mask.sum()) - 16, 0)


def test_a_text_that_just_fits_drops_nothing(folder: Path) -> None:
    tokenizer = PromptTokenizer.load(folder, max_length=5, normalize=False)
    assert tokenizer.encode(["...", "...."]).num_dropped == (0, 1)


def test_special_tokens_in_a_prompt_are_text(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens(["<s>", "</s>", "<pad>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    encoded = PromptTokenizer.load(folder, max_length=64, normalize=False).encode(["a </s><pad> dog"])
    assert encoded.ids[0][encoded.mask[0] == 1].tolist().count(2) == 1


def test_ids_come_from_the_files(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))
    last = max(vocabulary.values())
    for token, new_id in {"<s>": last + 1, "[END]": last + 2, "<pad>": last + 3}.items():
        vocabulary[token] = new_id
    (folder / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps({"eos_token": "[END]"}), "utf-8")
    tokenizer = PromptTokenizer.load(folder, max_length=4, normalize=False)
    assert tokenizer.encode_unconditional().ids.tolist() == [[last + 1, last + 2, last + 3, last + 3]]
    assert tokenizer.num_ids == last + 4


def test_clip_splits_words_and_lowers_case(clip_folder: Path) -> None:
    text = "  CAT's  dogs 12!?\n red"
    expected = ["<|startoftext|>", "cat</w>", "'s</w>", "dogs</w>", "1</w>", "2</w>", "!", "?</w>", "red</w>"]
    assert clip_tokens(clip_folder, text) == [*expected, "<|endoftext|>"]


def test_clip_end_of_text_in_a_prompt_is_text(clip_folder: Path) -> None:
    tokens = clip_tokens(clip_folder, "cat <|endoftext|> red")
    assert tokens.count("<|endoftext|>") == 1
    assert tokens[-2:] == ["red</w>", "<|endoftext|>"]


def test_clip_pads_with_end_of_text(clip_folder: Path) -> None:
    tokenizer = ClipTokenizer.load(clip_folder, 77)
    encoded = tokenizer.encode(["red", "cat " * 100])
    assert encoded.ids.shape == (2, 77)
    assert set(encoded.ids[0][2:].tolist()) == {tokenizer.num_ids - 1}
    assert encoded.mask.sum(axis=1).tolist() == [3, 77]
    assert encoded.num_dropped == (0, 25)


def test_clip_agrees_with_transformers(clip_folder: Path) -> None:
    from transformers import CLIPTokenizer

    vocabulary = json.loads((clip_folder / "vocab.json").read_text("utf-8"))
    theirs = CLIPTokenizer(vocab=vocabulary, merges=[tuple(merge.split()) for merge in CLIP_MERGES])
    expected = theirs(PROMPTS, padding="max_length", truncation=True, max_length=77)
    theirs.backend_tokenizer.save(str(clip_folder / "tokenizer.json"))
    from_json = ClipTokenizer.load(clip_folder, 77).encode(PROMPTS)
    (clip_folder / "tokenizer.json").unlink()
    from_vocabulary = ClipTokenizer.load(clip_folder, 77).encode(PROMPTS)
    for encoded in (from_json, from_vocabulary):
        np.testing.assert_array_equal(encoded.ids, expected["input_ids"])
        np.testing.assert_array_equal(encoded.mask, expected["attention_mask"])


def test_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match=r"tokenizer\.json, or vocab\.json and merges\.txt"):
        PromptTokenizer.load(tmp_path, max_length=64, normalize=False)


@pytest.mark.parametrize("missing", ["vocab.json", "merges.txt"])
def test_half_a_tokenizer(clip_folder: Path, missing: str) -> None:
    (clip_folder / missing).unlink()
    with pytest.raises(CheckpointNotFoundError, match=missing):
        ClipTokenizer.load(clip_folder, 77)


@pytest.mark.parametrize("content", ['{"version": "1.0", "mod', "[]", "{}", '{"model": {"type": "None"}}'])
def test_damaged_json_is_named(folder: Path, content: str) -> None:
    (folder / "tokenizer.json").write_text(content, "utf-8")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        PromptTokenizer.load(folder, max_length=64, normalize=False)


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("vocab.json", '{"a": "b"}', r"vocab\.json"),
        ("vocab.json", '{"a": 0}', r"merges\.txt: does not fit to vocab\.json"),
        ("merges.txt", "#version: 0.2\nc a\nca\n", r"merges\.txt: line 3"),
        ("merges.txt", "\ufeffc a\n", r"merges\.txt: does not fit"),
        ("special_tokens_map.json", '{"eos_token": 3}', r"special_tokens_map\.json: eos_token"),
        ("special_tokens_map.json", '{"pad_token": "[PAD]"}', r"special token \[PAD\]"),
        ("tokenizer_config.json", "{", r"tokenizer_config\.json"),
    ],
)
def test_damaged_files_are_named(clip_folder: Path, name: str, content: str, named: str) -> None:
    (clip_folder / name).write_text(content, "utf-8")
    with pytest.raises(CheckpointError, match=named):
        ClipTokenizer.load(clip_folder, 77)


def test_tokenizer_that_adds_no_special_tokens_is_refused(folder: Path) -> None:
    file = folder / "tokenizer.json"
    data = json.loads(file.read_text("utf-8"))
    data["post_processor"] = None
    file.write_text(json.dumps(data), "utf-8")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: an empty text must become <s> </s>"):
        PromptTokenizer.load(folder, max_length=64, normalize=False)


@pytest.fixture
def words_folder(tmp_path: Path) -> Path:
    """A word-level tokenizer that knows a, red and circle."""
    tokenizer = Tokenizer(WordLevel({t: i for i, t in enumerate(WORD_TOKENS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\w']+"), behavior="removed", invert=True)
    tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


@pytest.mark.parametrize(
    ("prompt", "words", "alone"),
    [
        ("a red circle", (), False),
        ("a red dragon", ("dragon",), False),
        ("A red  Dragon, a DRAGON and a Café's “Pirate”!", ("Dragon", "and", "Café's", "Pirate"), False),
        ("snake_case wing-ed don’t", ("snake", "case", "wing", "ed", "don’t"), True),
        ("黒猫 🐉", ("黒猫", "dragon"), True),
        ("red " * 20 + "dragon", (), False),
        ("a, red; circle!", (), False),
        (" , ".join(f"w{i}" for i in range(20)), tuple(f"w{i}" for i in range(14)), True),
    ],
)
def test_unknown_words_are_told_as_they_were_written(
    words_folder: Path, prompt: str, words: tuple[str, ...], alone: bool
) -> None:
    tokenizer = PromptTokenizer.load(words_folder, max_length=16, normalize=True)
    encoded = tokenizer.encode(["a red circle", prompt])
    assert encoded.unknown_words == ((), words)
    assert encoded.all_unknown == (False, alone)
    assert tokenizer.encode_unconditional().unknown_words == ((),)


def test_unknown_words_without_a_normaliser(words_folder: Path) -> None:
    tokenizer = PromptTokenizer.load(words_folder, max_length=16, normalize=False)
    assert tokenizer.encode(["a Red Dragon"]).unknown_words == (("Red", "Dragon"),)


def test_byte_level_tokenizers_know_everything(folder: Path) -> None:
    tokenizer = PromptTokenizer.load(folder, max_length=64, normalize=False)
    encoded = tokenizer.encode(PROMPTS)
    assert not any(encoded.unknown_words)
    assert not any(encoded.all_unknown)


def test_an_expression_that_could_take_hours_is_refused_before_it_is_compiled(folder: Path) -> None:
    file = folder / "tokenizer.json"
    data = json.loads(file.read_text("utf-8"))
    data["pre_tokenizer"] = {"type": "Split", "pattern": {"Regex": "(a|a)+b"}, "behavior": "Isolated", "invert": False}
    file.write_text(json.dumps(data), "utf-8")
    with pytest.raises(CheckpointError, match="none of the expressions that are known to be fast"):
        PromptTokenizer.load(folder, max_length=16, normalize=False)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("tokenizer.json", "json_file.MAX_JSON_BYTES"),
        ("merges.txt", "tokenizer_files.MAX_JSON_BYTES"),
        (WORDS_FILE, "hashtags.MAX_WORDS_BYTES"),
    ],
)
def test_a_file_of_megabytes_is_refused(folder: Path, name: str, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "merges.txt":
        (folder / "tokenizer.json").unlink()
    monkeypatch.setattr(f"bot.checkpoints.{limit}", 20)
    with pytest.raises(CheckpointError, match=name.partition(".")[0]):
        PromptTokenizer.load(folder, max_length=16, normalize=True)
