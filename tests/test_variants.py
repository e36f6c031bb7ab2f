"""Prompts with alternatives."""

import pytest

from bot.errors import InvalidPromptError
from bot.variants import MAX_VARIANTS, expand, expand_all


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("a red circle", ["a red circle"]),
        ("", [""]),
        ("a {red|blue} circle", ["a red circle", "a blue circle"]),
        ("{a|b} {c|d}", ["a c", "a d", "b c", "b d"]),
        ("a {small |}circle", ["a small circle", "a circle"]),
        ("a {|small} circle", ["a circle", "a small circle"]),
        ("a {{light|dark} red|blue} star", ["a light red star", "a dark red star", "a blue star"]),
        ("{red|red|blue} ring", ["red ring", "blue ring"]),
        ("cats | dogs", ["cats | dogs"]),
        (r"\{red|blue\}", ["{red|blue}"]),
        (r"{a\|b|c} \\ \d", ["a|b \\ \\d", "c \\ \\d"]),
    ],
)
def test_a_prompt_stands_for_its_variants_in_order(text: str, prompts: list[str]) -> None:
    assert expand(text) == prompts


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a {red|blue circle", "The { at character 3 has no } behind it"),
        ("a red} circle", "The } at character 6 has no { before it"),
        ("a {red} circle", "The braces at character 3 hold no alternatives: write {red|blue}"),
        ("{" * 9 + "a|b" + "}" * 9, "nested too deep: 8 levels at most"),
        ("{" * 100_000, "nested too deep"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(InvalidPromptError) as caught:
        expand(text)
    assert sentence in str(caught.value)


def test_too_many_variants_are_counted_and_never_made() -> None:
    assert len(expand("{1|2|3|4|5|6|7|8}")) == MAX_VARIANTS
    with pytest.raises(InvalidPromptError, match=r"stands for 9 variants; at most 8 are drawn at once"):
        expand("{1|2|3} {1|2|3}")
    with pytest.raises(InvalidPromptError, match=r"stands for 1e\+60 variants; at most 8"):
        expand("{0|1|2|3|4|5|6|7|8|9}" * 60)


def test_several_prompts_are_expanded_in_turn_and_counted_together() -> None:
    assert expand_all(["a {b|c}", "d"]) == ["a b", "a c", "d"]
    with pytest.raises(InvalidPromptError, match="stand for 9 variants together; at most 8"):
        expand_all(["{1|2|3|4}", "{5|6|7|8}", "9"])
