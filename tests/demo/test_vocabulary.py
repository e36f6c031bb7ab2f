"""The demo's tokenizers, read back by the code that reads the released models'."""

import json
from pathlib import Path

import numpy as np
import pytest

from bot.checkpoints.tokenizers import ClipTokenizer, PromptTokenizer
from bot.demo.grammar import COLOURS, RELATIONS, SHAPES, SIZES
from bot.demo.vocabulary import write_clip_tokenizer, write_prompt_tokenizer

WORDS = [*COLOURS, *SHAPES, *SIZES, "a", "background"]


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> PromptTokenizer:
    folder = tmp_path_factory.mktemp("prompts")
    write_prompt_tokenizer(folder)
    return PromptTokenizer.load(folder, max_length=32, normalize=True)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClipTokenizer, int]:
    folder = tmp_path_factory.mktemp("clip")
    eos_id = write_clip_tokenizer(folder)
    return ClipTokenizer.load(folder, 32), eos_id


def test_every_word_of_the_grammar_is_one_token(prompts: PromptTokenizer, clip: tuple[ClipTokenizer, int]) -> None:
    for tokenizer in (prompts, clip[0]):
        lengths = {word: int(tokenizer.encode([word]).mask.sum()) - 2 for word in WORDS}
        assert {word for word, length in lengths.items() if length != 1} == set()


@pytest.mark.parametrize("relation", RELATIONS)
def test_words_within_a_caption_are_one_token_each(
    prompts: PromptTokenizer, clip: tuple[ClipTokenizer, int], relation: str
) -> None:
    caption = f"a small red star {relation} a large purple ring on a white background"
    for tokenizer in (prompts, clip[0]):
        assert int(tokenizer.encode([caption]).mask.sum()) - 2 == len(caption.split())


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


def test_unknown_words_are_read_letter_by_letter(prompts: PromptTokenizer, clip: tuple[ClipTokenizer, int]) -> None:
    for tokenizer in (prompts, clip[0]):
        text = tokenizer.encode(["zyzzyva, Ωmega 猫"])
        assert int(text.mask.sum()) > 9
        assert text.num_dropped == (0,)


def test_clip_does_not_care_about_case(clip: tuple[ClipTokenizer, int]) -> None:
    np.testing.assert_array_equal(clip[0].encode(["A Red Circle"]).ids, clip[0].encode(["a red circle"]).ids)


def test_files_are_the_same_every_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_prompt_tokenizer(tmp_path / name)
        assert json.loads((tmp_path / name / "special_tokens_map.json").read_text("utf-8"))["eos_token"] == "</s>"
    one, two = ((tmp_path / name / "tokenizer.json").read_bytes() for name in ("one", "two"))
    assert one == two
