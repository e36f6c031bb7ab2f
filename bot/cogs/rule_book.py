"""The compiled rules of each guild: the bot's, its own, and what counts of the starter list. Event loop.

Sets are compiled on a worker thread, once for each version, and kept as long as they are among the newest used.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from bot.errors import NotReadyError
from bot.moderation.prompt_rules import Category, Rule, RuleAction, RuleSet
from bot.moderation.starter import AT_FIRST, STARTER_CATEGORIES, starter_rules
from bot.store import GuildRules, RuleStore

# There is more to do within Discord's 3 seconds. A set that takes longer is ready for whoever asks again.
READ_TIMEOUT_S: Final = 0.6
MAX_SETS: Final = 64


class RuleBook:
    """bots_rules: of whoever runs the bot; they count everywhere. Methods may raise StoreError, and NotReadyError
    if it takes too long."""

    def __init__(self, store: RuleStore, bots_rules: Sequence[Rule] = ()) -> None:
        self._store = store
        self._bots_rules = tuple(bots_rules)
        self._sets: OrderedDict[tuple[int | None, int], asyncio.Task[RuleSet]] = OrderedDict()

    async def rule_set(self, guild_id: int | None) -> RuleSet:
        """What counts in a guild now; None: in direct messages."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                version = 0 if guild_id is None else await self._store.version(guild_id)
                return await asyncio.shield(self._task(guild_id, version))
        except TimeoutError as error:
            raise NotReadyError("The rules of this server are still being read. Ask again in a moment.") from error

    async def prepare(self, guild_id: int) -> None:
        """Begins to compile what counts in a guild now, without waiting for it."""
        async with asyncio.timeout(READ_TIMEOUT_S):
            self._task(guild_id, await self._store.version(guild_id))

    def _task(self, guild_id: int | None, version: int) -> "asyncio.Task[RuleSet]":
        key = (guild_id, version)
        task = self._sets.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            for old in [known for known in self._sets if known[0] == guild_id]:
                del self._sets[old]
            task = self._sets[key] = asyncio.create_task(self._compile(guild_id), name=f"rules of guild {guild_id}")
        self._sets.move_to_end(key)
        while len(self._sets) > MAX_SETS:
            self._sets.popitem(last=False)
        return task

    async def _compile(self, guild_id: int | None) -> RuleSet:
        own = GuildRules() if guild_id is None else await self._store.of(guild_id)
        return await asyncio.to_thread(_rule_set, self._bots_rules, own)


def actions(choices: Mapping[Category, RuleAction | None]) -> dict[Category, RuleAction | None]:
    """Of every category of the starter list; None where it is off."""
    return {category: choices.get(category, AT_FIRST.get(category)) for category in STARTER_CATEGORIES}


def _rule_set(bots_rules: tuple[Rule, ...], own: GuildRules) -> RuleSet:
    started = [
        rule
        for category, action in actions(own.choices).items()
        if action is not None
        for rule in starter_rules(category, action)
    ]
    return RuleSet((*bots_rules, *own.rules, *started))
