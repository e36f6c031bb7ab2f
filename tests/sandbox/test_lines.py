import pytest

from bot.sandbox.errors import LineError
from bot.sandbox.lines import (
    As,
    AutoMod,
    Begin,
    Click,
    FollowFaults,
    Give,
    Happens,
    In,
    Line,
    Look,
    Menu,
    Say,
    Slash,
    Take,
    Type,
    Wait,
    parse_line,
)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("/imagine prompt:as bob in de", Slash("imagine prompt:as bob in de")),
        ("type /imagine style:o", Type("imagine style:o")),
        ("click Cancel", Click("Cancel")),
        ("as anna", As("anna")),
        ("as anna in de", As("anna", "de")),
        ("  as anna in pt-BR ", As("anna", "pt-BR")),
        ("give Artist", Give("Artist")),
        ("give Artist to anna", Give("Artist", "anna")),
        ("automod cat, -dog", AutoMod("cat, -dog")),
        ("take Artist", Take("Artist")),
        ("in gallery", In("gallery")),
        ("in direct messages", In("direct messages")),
        ("menu Draw this", Menu("Draw this")),
        ("menu Their gallery on alice", Menu("Their gallery", "alice")),
        ("say as bob: menu", Say("as bob: menu")),
        ("wait 0.5", Wait(0.5)),
        ("happens connection dropped", Happens("connection dropped")),
        ("happens permission revoked: attach files", Happens("permission revoked", "attach files")),
        ("look", Look()),
        ("faults 7", FollowFaults(7)),
        ("faults off", FollowFaults(None)),
        ("begin /imagine prompt:a", Begin(Slash("imagine prompt:a"))),
        ("begin click Cancel", Begin(Click("Cancel"))),
    ],
)
def test_what_a_line_means(text: str, line: Line) -> None:
    assert parse_line(text) == line


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "as",
            "a line is one of: .* give ROLE, give ROLE to NAME, take ROLE, automod WORDS, in CHANNEL",
        ),
        ("give", "Can't play the line 'give'"),
        ("as anna in German", "Discord has no language 'German'; it has en-US, .*, de, "),
        ("as anna in  de", "Discord has no language ' de'"),
        ("menu", "menu NAME on MEMBER"),
        ("say", "say TEXT"),
        ("begin say hello", "Can't play the line"),
        ("wait long", "wait needs a number of seconds"),
        ("begin as alice", "Can't play the line 'begin as alice'"),
        ("begin begin click A", "Can't play the line"),
        ("begin dance", "Can't play the line 'dance'"),
        ("type imagine", "type /COMMAND option:value"),
        ("dance", "Can't play the line 'dance'"),
        ("faults often", "happens WHAT, faults SEED, faults off"),
    ],
)
def test_a_line_without_a_meaning(text: str, complaint: str) -> None:
    with pytest.raises(LineError, match=complaint):
        parse_line(text)
