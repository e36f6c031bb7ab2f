"""Orders and answers between a bench and its processes, and how these end."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from bot.bench.line_process import LineProcess
from bot.errors import JobFailedError


def servant(tmp_path: Path) -> AbstractAsyncContextManager[LineProcess]:
    return LineProcess.start("The servant", "tests.bench.line_servant", tmp_path / "log")


async def test_orders_are_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALLE_BOT_LOG__LEVEL", "debug")
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    async with servant(tmp_path) as process:
        assert await process.ask({"do": "double", "number": 4}, 30.0) == {"doubled": 8}
        with pytest.raises(JobFailedError, match=r"^It can't be done\.$"):
            await process.ask({"do": "fail"}, 30.0)
        # It still answers, and knows nothing of this process's settings.
        variables = (await process.ask({"do": "tell"}, 30.0))["variables"]
        assert not {"DALLE_BOT_LOG__LEVEL", "DISCORD_TOKEN"} & set(variables)
        with pytest.raises(JobFailedError, match=r"^The servant did not answer within 0\.1 s\.$"):
            await process.ask({"do": "sleep"}, 0.1)


async def test_a_process_that_dies(tmp_path: Path) -> None:
    async with servant(tmp_path) as process:
        with pytest.raises(JobFailedError, match=r"^The servant ended unexpectedly\. Its last words: I die$"):
            await process.ask({"do": "die"}, 30.0)
        with pytest.raises(JobFailedError, match="ended unexpectedly"):
            await process.ask({"do": "double", "number": 4}, 30.0)


async def test_what_it_is_at_ends_with_its_input(tmp_path: Path) -> None:
    async with servant(tmp_path) as process:
        assert await process.ask({"do": "double", "number": 4}, 30.0) == {"doubled": 8}
        with pytest.raises(JobFailedError, match="did not answer"):
            await process.ask({"do": "work"}, 0.1)
    assert (tmp_path / "log").read_text() == "tidied up\n"
