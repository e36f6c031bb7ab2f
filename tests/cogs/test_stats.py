"""/stats: what it counts as words, and what members see of it in a sandbox."""

import re

from bot.cogs.stats_page import most_used_words, stats_text
from bot.language import ENGLISH, Text
from bot.store.statistics import MAX_COUNTED, Statistics
from tests.cogs.test_gallery import draw, engine, look
from tests.conftest import OpenStage


def test_each_prompt_counts_a_word_once_and_little_words_never() -> None:
    prompts = ["a red circle in the red box", "The Circle, and a snake_case 123", "ein roter Kreis auf Rot", "öl ok"]
    assert most_used_words(prompts) == [
        ("circle", 2),
        ("box", 1),
        ("case", 1),
        ("kreis", 1),
        ("red", 1),
        ("rot", 1),
        ("roter", 1),
        ("snake", 1),
    ]
    assert most_used_words([]) == []


def test_what_is_told() -> None:
    own = Statistics(1, 9, 2, [1.0, 2.5, 90.0], ["a red circle"])
    guild = Statistics(MAX_COUNTED, 90_000, 5, [300.0], ["???"])
    assert stats_text((Text("You"), own), guild, ENGLISH).splitlines() == [
        "### You",
        "Results: 1",
        "Pictures: 9",
        "Favourites among them: 2",
        "Median time from the question to the pictures: 2.5 s",
        "Words in most prompts: circle (1), red (1)",
        "### In this server, as far as you can see it",
        "Results: 10000",
        "Pictures: 90000",
        "Favourites among them: 5",
        "Median time from the question to the pictures: 5 min",
        "-# Only the newest 10000 results were counted.",
    ]


async def test_numbers_of_a_member_and_the_server(open_stage: OpenStage) -> None:
    async with open_stage(engine) as stage:
        assert (await look(stage, "/stats")).text.splitlines() == [
            "You in this server",
            "No results yet.",
            "In this server, as far as you can see it",
            "No results yet.",
        ]
        await draw(stage, "a secret", "images:1 private:true")
        await stage.play("as alice")
        job = await draw(stage, "a red circle", "images:2")
        await stage.app.store.favourites.add(job.user_id, job.id, 1)
        lines = (await look(stage, "/stats")).text.splitlines()
        assert lines[:4] == ["You in this server", "Results: 1", "Pictures: 2", "Favourites among them: 1"]
        assert re.fullmatch(r"Median time from the question to the pictures: \d+\.\d s", lines[4])
        assert lines[5] == "Words in most prompts: circle (1), red (1)"
        assert lines[7] == "Results: 1"
        of_other = (await look(stage, "/stats user:user")).text.splitlines()
        assert of_other[:2] == ["@user in this server", "No results yet."]
        await stage.play("as user")
        lines = (await look(stage, "/stats")).text.splitlines()
        assert "secret" in lines[5]
        assert lines[7] == "Results: 2"
