"""Rules of Discord's AutoMod, as REST gives them. Pure."""

from typing import Any, Final

from bot.sandbox.errors import LineError
from bot.sandbox.guild import Member
from bot.sandbox.world import World

KEYWORDS, SENDING, BLOCKING = 1, 1, 1
MAX_KEYWORDS: Final = 1000
MAX_PATTERNS: Final = 10
MAX_ALLOWED: Final = 100


def automod_rule(world: World, creator: Member, text: str) -> dict[str, Any]:
    """text: keywords with commas between them; /…/ is a pattern, and what begins with a - is allowed. Raises LineError
    above Discord's limits."""
    words = [word.strip(" ") for word in text.split(",") if word.strip(" ")]
    patterns = [word[1:-1] for word in words if len(word) > 2 and word[0] == word[-1] == "/"]
    allowed = [word[1:] for word in words if word[0] == "-"]
    keywords = [word for word in words if word[0] not in "-/"]
    if len(keywords) > MAX_KEYWORDS or len(patterns) > MAX_PATTERNS or len(allowed) > MAX_ALLOWED:
        raise LineError(
            f"A rule of AutoMod has at most {MAX_KEYWORDS} keywords, {MAX_PATTERNS} patterns and {MAX_ALLOWED} "
            "allowed words."
        )
    return {
        "id": world.snowflakes.new(),
        "guild_id": world.guild_id,
        "creator_id": creator.id,
        "name": "Keywords",
        "event_type": SENDING,
        "actions": [{"type": BLOCKING, "metadata": {}}],
        "trigger_type": KEYWORDS,
        "enabled": True,
        "exempt_roles": [],
        "exempt_channels": [],
        "trigger_metadata": {"keyword_filter": keywords, "regex_patterns": patterns, "allow_list": allowed},
    }
