"""The demo's tokenizers, read back by the code that reads the released models'."""

import json
from pathlib import Path

import numpy as np
import pytest

from bot.checkpoints.tokenizers import ClipTokenizer, PromptTokenizer
from bot.demo import vocabulary
from bot.demo.grammar import COLOURS, RELATIONS, SHAPES, SIZES
from bot.demo.pictures import DrawnPictures
from bot.demo.vocabulary import PROMPT_SPECIALS, write_clip_tokenizer, write_prompt_tokenizer

WORDS = [*COLOURS, *SHAPES, *SIZES, "a", "background"]
CAPTIONS = ["Ein Über-Café, rot", "ein rotes Haus", "Jack's Haus 2"]


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> PromptTokenizer:
    folder = tmp_path_factory.mktemp("prompts")
    write_prompt_tokenizer(folder, DrawnPictures().sentences())
    return PromptTokenizer.load(folder, max_length=32, normalize=True)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClipTokenizer, int]:
    folder = tmp_path_factory.mktemp("clip")
    eos_id = write_clip_tokenizer(folder, DrawnPictures().sentences())
    return ClipTokenizer.load(folder, 32), eos_id


def test_every_word_of_the_grammar_is_one_known_token(
    prompts: PromptTokenizer, clip: tuple[ClipTokenizer, int]
) -> None:
    for tokenizer in (prompts, clip[0]):
        text = tokenizer.encode(WORDS)
        assert set(text.mask.sum(axis=1).tolist()) == {3}
        assert len(set(text.ids[:, 1].tolist())) == len(WORDS)
        assert not any(text.unknown_words)


@pytest.mark.parametrize("relation", RELATIONS)
def test_words_within_a_caption_are_one_token_each(
    prompts: PromptTokenizer, clip: tuple[ClipTokenizer, int], relation: str
) -> None:
    caption = f"a small red star {relation} a large purple ring on a white background"
    for tokenizer in (prompts, clip[0]):
        ids = tokenizer.encode([caption]).ids[0].tolist()
        single = tokenizer.encode(caption.split()).ids[:, 1].tolist()
        assert ids[1 : len(single) + 1] == single


def test_no_prompt_and_special_ids(prompts: PromptTokenizer) -> None:
    text = prompts.encode_unconditional()
    assert text.ids[0].tolist() == [0, 2] + [1] * 30
    assert text.mask[0].tolist() == [1, 1] + [0] * 30


def test_clip_pads_with_its_eos_and_names_it(clip: tuple[ClipTokenizer, int]) -> None:
    tokenizer, eos_id = clip
    text = tokenizer.encode(["a red circle"])
    assert text.ids[0].tolist().index(eos_id) == int(text.mask.sum()) - 1
    assert set(text.ids[0][text.mask[0] == 0].tolist()) == {eos_id}
    # 2 would mean "pool at the largest id" to CLIP's configuration.
    assert eos_id != 2


def test_an_unknown_word_is_one_token_to_the_prompt(prompts: PromptTokenizer) -> None:
    text = prompts.encode(["a red zyzzyva, 猫 on a blue background!"])
    expected = prompts.encode(["a red circle star on a blue background"]).ids[0]
    unknown = PROMPT_SPECIALS.index("<unk>")
    expected[3:5] = unknown
    assert text.ids[0].tolist() == expected.tolist()


def test_clip_spells_unknown_words(clip: tuple[ClipTokenizer, int]) -> None:
    text = clip[0].encode(["zyzzyva, Ωmega 猫"])
    assert int(text.mask.sum()) > 9
    assert text.num_dropped == (0,)


def test_neither_cares_about_case(prompts: PromptTokenizer, clip: tuple[ClipTokenizer, int]) -> None:
    for tokenizer in (prompts, clip[0]):
        np.testing.assert_array_equal(tokenizer.encode(["A Red Circle"]).ids, tokenizer.encode(["a red circle"]).ids)


def test_words_of_anybodys_captions_are_known_as_the_normaliser_leaves_them(tmp_path: Path) -> None:
    write_prompt_tokenizer(tmp_path, CAPTIONS)
    tokenizer = PromptTokenizer.load(tmp_path, max_length=32, normalize=True)
    known = tokenizer.encode([*CAPTIONS, "über cafe jack's ROTES haus 2"])
    assert known.unknown_words == ((),) * 4
    assert tokenizer.encode(["jack haus"]).unknown_words == (("jack",),)


def test_the_commonest_words_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "MAX_IDS", 7)
    write_prompt_tokenizer(tmp_path, CAPTIONS)
    tokenizer = PromptTokenizer.load(tmp_path, max_length=32, normalize=True)
    assert tokenizer.num_ids == 7
    assert tokenizer.encode(["ein rotes Haus"]).unknown_words == (("rotes",),)


def test_files_are_the_same_every_time(tmp_path: Path) -> None:
    sentences = list(DrawnPictures().sentences())
    for name in ("one", "two"):
        write_prompt_tokenizer(tmp_path / name, sentences)
        write_clip_tokenizer(tmp_path / name / "clip", sentences)
        assert json.loads((tmp_path / name / "special_tokens_map.json").read_text("utf-8"))["eos_token"] == "</s>"
    for file in ("tokenizer.json", "clip/tokenizer.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
