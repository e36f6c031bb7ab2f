import pytest

from bot.sandbox.markdown import as_read

NAMES = {"7": "ann", "8": "general"}


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("**a red circle**\nQueued", "a red circle\nQueued"),
        (r"a \*\*red\*\* circle", "a **red** circle"),
        (r"\\ backslash", "\\ backslash"),
        ("for <@7> in <#8>", "for @ann in #general"),
        ("for <@9>", "for <@9>"),
        (r"\<@7\>", "<@7>"),
        ("`██░░ **` 50 %", "██░░ ** 50 %"),
        ("```py\nx = **2\n```", "x = **2\n"),
        ("-# small\n# large\nnot # a heading", "small\nlarge\nnot # a heading"),
        ("~~gone~~ __under__ ||spoiler||", "gone under spoiler"),
        ("snake_case 2\\*3", "snake_case 2*3"),
        (r"snake\_case \_plain\_", "snake_case _plain_"),
        ("_italic_ and (_two **words**_)", "italic and (two words)"),
        (r"_an \_ inside_", "an _ inside"),
        ("___both___ __init__.py", "both init.py"),
        ("my_snake_case _open", "my_snake_case _open"),
        ("`_code_`", "_code_"),
        ("job [0a1b](https://discord.com/channels/1/2/3).", "job 0a1b."),
        ("<t:1060:R> and <t:700:R> at <t:3661:t>", "in 1 minute and 5 minutes ago at 01:01"),
        ("<t:1001:R> on <t:0:d>, <t:0>, <t:5:x>", "in 1 second on 01/01/1970, 01 January 1970 00:00, <t:5:x>"),
        (r"\[not\](https\://a link)", "[not](https://a link)"),
    ],
)
def test_text_is_shown_as_discord_shows_it(text: str, seen: str) -> None:
    assert as_read(text, NAMES.get, 1000.4) == seen
