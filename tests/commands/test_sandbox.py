"""What `dalle-bot sandbox` says of its options and settings. tests/sandbox plays in it."""

import pytest

from bot.sandbox import Event
from bot.sandbox import play as play_module
from tests.command_line import Call


@pytest.mark.parametrize("is_named", [False, True])
def test_settings_that_do_not_count_in_the_sandbox_are_named(
    call: Call, monkeypatch: pytest.MonkeyPatch, is_named: bool
) -> None:
    async def nothing(*_: object, **__: object) -> list[Event]:
        return []

    monkeypatch.setattr(play_module, "play", nothing)
    if is_named:
        monkeypatch.setenv("DALLE_BOT_STORE__URL", "postgresql+psycopg://bot:a-secret-word@db/bot")
    outcome = call("sandbox", "--say", "wait 0")
    assert outcome.code == 0
    assert ("store.url and sharding.ids don't count here" in outcome.out) is is_named
    assert "a-secret-word" not in outcome.out
    assert call("sandbox", "--empty", "--say", "wait 0").code == 2
