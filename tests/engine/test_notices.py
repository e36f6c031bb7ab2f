"""Sentences about prompts: which words are unknown, and how many are named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bot.checkpoints.bundle import Bundle
from bot.checkpoints.tokenizers import EncodedText, PromptTokenizer
from bot.demo.vocabulary import write_prompt_tokenizer
from bot.engine.base import PromptText
from bot.engine.engine import JaxEngine
from bot.engine.notices import negative_prompt_notices, prompt_notices
from bot.language import Text
from tests.golden.tiny_model import MAX_TEXT_TOKENS


def told(notices: tuple[Text, ...]) -> tuple[str, ...]:
    return tuple(map(str, notices))


def encoded(*words: str, all_unknown: bool = False, dropped: int = 0) -> EncodedText:
    ids = np.zeros((1, 12), np.int32)
    return EncodedText(ids, ids, (dropped,), (words,), (all_unknown,))


@pytest.mark.parametrize(
    ("words", "listed"),
    [
        (("dragon",), "“dragon”"),
        (("dragon", "pirate"), "“dragon” and “pirate”"),
        (("a", "b", "c", "d", "e"), "“a”, “b”, “c”, “d” and “e”"),
        (("a", "b", "c", "d", "e", "f"), "“a”, “b”, “c”, “d”, “e” and 1 more word"),
        (tuple(str(i) for i in range(300)), "“0”, “1”, “2”, “3”, “4” and 295 more words"),
        (("x" * 30,), f"“{'x' * 30}”"),
        (("x" * 31,), f"“{'x' * 29}…”"),
    ],
)
def test_unknown_words_are_named_up_to_a_few(words: tuple[str, ...], listed: str) -> None:
    text = encoded(*words)
    assert told(prompt_notices(text)) == (f"I don't know {listed}, and drew the rest.",)
    assert told(negative_prompt_notices(text)) == (
        f"I don't know {listed} in the negative prompt, and avoided the rest.",
    )


def test_nothing_is_known() -> None:
    text = encoded("dragon", all_unknown=True)
    assert told(prompt_notices(text)) == ("I know none of these words, and drew what came to mind.",)
    assert told(negative_prompt_notices(text)) == (
        "I know none of the words of the negative prompt, so it changed little.",
    )


def test_all_is_known() -> None:
    assert prompt_notices(encoded()) == negative_prompt_notices(encoded()) == ()


def test_what_was_cut_off_comes_first() -> None:
    cut, unknown = told(negative_prompt_notices(encoded("dragon", dropped=2)))
    assert cut == ("The negative prompt is longer than the model reads (12 tokens): its last 2 tokens were left out.")
    assert "“dragon”" in unknown


def test_the_engine_tells_them_for_both_texts(bundle: Bundle, tmp_path: Path) -> None:
    write_prompt_tokenizer(tmp_path, ["a red circle"])
    tokenizer = PromptTokenizer.load(tmp_path, max_length=MAX_TEXT_TOKENS, normalize=True)
    engine = JaxEngine(replace(bundle, prompt_tokenizer=tokenizer), num_slots=1)
    prompts = [PromptText("a red circle"), PromptText("A red Dragon"), PromptText("dragon", "a Pirate")]
    assert tuple(map(told, engine.prefill(prompts).notices)) == (
        (),
        ("I don't know “Dragon”, and drew the rest.",),
        (
            "I know none of these words, and drew what came to mind.",
            "I don't know “Pirate” in the negative prompt, and avoided the rest.",
        ),
    )
