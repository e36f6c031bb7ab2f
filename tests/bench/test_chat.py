"""`bench chat` from end to end: three processes, the real bot, a fake engine."""

from pathlib import Path

import pytest

from bot.bench.chat import measure_chat
from bot.bench.chat_plan import ChatPlan
from bot.config import QueueSettings, Settings
from bot.errors import JobFailedError
from bot.startup import StartUp

ENGINES = "tests.bench.chat_engines"


@pytest.mark.slow
async def test_a_small_crowd(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "unused", queue=QueueSettings(max_jobs=3))
    plan = ChatPlan(users=20, seconds=1.0, every_s=1.0, seed=1)
    report = await measure_chat(settings, plan, tmp_path, start_up=StartUp(), engine=f"{ENGINES}:open_fake")
    figures = report.to_json()
    assert figures["sent"] == figures["acknowledged"] + figures["refused"] > 10
    assert figures["delivered"] == figures["acknowledged"] > 0
    assert figures["refused"] > 0
    assert all("queue" in told for told in figures["refusals"])
    assert [figures[key] for key in ("lost", "doubled", "wrong", "failed", "unanswered", "hasty_edits")] == [0] * 6
    assert figures["wrong_examples"] == []
    assert 0 < figures["ack_p50_s"] <= figures["ack_p99_s"] <= figures["ack_max_s"] < 3.0
    assert figures["loop_block_max_s"] > 0
    assert figures["saturated_share"] > 0
    assert (figures["engine_state"], figures["model"]) == ("ready", "fake")
    assert (tmp_path / "data").is_dir()
    assert not (tmp_path / "unused").exists()


async def test_an_engine_that_can_not_be_opened(tmp_path: Path) -> None:
    plan = ChatPlan(users=1, seconds=1.0, every_s=1.0, seed=1)
    with pytest.raises(JobFailedError, match=r"^There is no such engine\.$"):
        await measure_chat(Settings(data_dir=tmp_path), plan, tmp_path, start_up=StartUp(), engine=f"{ENGINES}:refuse")
