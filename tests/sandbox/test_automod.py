"""AutoMod's rules in the sandbox, and who may read them."""

import pytest

from bot.sandbox.automod import MAX_PATTERNS, automod_rule
from bot.sandbox.clock import Clock
from bot.sandbox.errors import LineError
from bot.sandbox.world import World


def test_a_rule_of_keywords() -> None:
    world = World(Clock())
    rule = automod_rule(world, world.owner, "cat, *dog*, /b[au]d/, -hot dog")
    assert rule["trigger_metadata"] == {
        "keyword_filter": ["cat", "*dog*"],
        "regex_patterns": ["b[au]d"],
        "allow_list": ["hot dog"],
    }
    assert rule["guild_id"] == world.guild_id


def test_discords_limits() -> None:
    world = World(Clock())
    with pytest.raises(LineError, match="at most 1000 keywords, 10 patterns"):
        automod_rule(world, world.owner, ",".join(["/a/"] * (MAX_PATTERNS + 1)))
