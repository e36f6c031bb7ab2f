"""What strangers write, as messages show it: letter by letter, and never longer than Discord takes."""

import pytest

from bot.message_text import MAX_CONTENT_CHARACTERS, cut, escape, escape_shortened, under_prompt


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("@everyone look", "@\u200beveryone look"),
        (
            "<@123> <@&4> <#5> <t:0> </imagine:1> <:x:2>",
            "\\<@\u200b123\\> \\<@\u200b&4\\> \\<#5\\> \\<t:0\\> \\</imagine:1\\> \\<:x:2\\>",
        ),
        ("*a* _b_ ~c~ `d` |e|", "\\*a\\* \\_b\\_ \\~c\\~ \\`d\\` \\|e\\|"),
        ("[here](https://evil.example/x)", "\\[here\\](https\\://evil\\.example/x)"),
        ("join discord.gg/abc now", "join discord\\.gg/abc now"),
        ("# large", "\\# large"),
        ("-# small", "\\-# small"),
        ("> quote", "\\> quote"),
        ("back\\slash", "back\\\\slash"),
        ("a\u202egnp.elcric\u202c", "agnp.elcric"),
        ("3.5 stars, e.g. blue: yes", "3.5 stars, e.g. blue: yes"),
    ],
)
def test_escape(hostile: str, shown: str) -> None:
    assert escape(hostile) == shown


def test_a_text_that_is_shortened_shows_it() -> None:
    assert escape_shortened("a *b*", 9) == r"a \*b\*"
    assert escape_shortened("a *b* and more", 9) == r"a \*b\*…"


@pytest.mark.parametrize(("room", "shown"), [(7, "🍎🍎🍎…"), (8, "🍎🍎🍎🍎")])
def test_room_is_counted_as_discord_does(room: int, shown: str) -> None:
    """In UTF-16 units, of which an apple takes two."""
    assert escape_shortened("🍎🍎🍎🍎", room) == shown


def test_a_prompt_gives_way_to_the_lines_below_it() -> None:
    assert under_prompt("a *b*", ["one", "two"], if_shortened="cut") == "**a \\*b\\***\none\ntwo"
    content = under_prompt("x" * MAX_CONTENT_CHARACTERS, ["one", "two"], if_shortened="cut")
    assert len(content) == MAX_CONTENT_CHARACTERS
    assert content.endswith("x…**\none\ntwo\ncut")
    assert under_prompt("x" * MAX_CONTENT_CHARACTERS, ["one"]).endswith("x…**\none")


@pytest.mark.parametrize(("length", "shown"), [(4, "abcd"), (3, "ab…")])
def test_what_is_cut_off_is_shown(length: int, shown: str) -> None:
    assert cut("abcd", length) == shown
