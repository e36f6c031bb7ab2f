"""What a guild's rules say of finished pictures, and of those like rejected ones. Used by the deliveries, event loop.

Hashing and comparing go to the threads for pictures. Where the rules can't be asked nothing is shown: an error is
raised, StoreError where they may be asked again.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bot.cogs.picture_threads import PictureThreads
from bot.errors import StoreError
from bot.guild_settings import GuildSettings
from bot.image_rule import ImageAction, ImageRule
from bot.moderation.image_categories import Categories
from bot.moderation.image_rules import Hit, judge, keeps_from_sight, labels_of
from bot.moderation.likeness import BlockedHashes, hash_picture
from bot.requests import Result
from bot.store.blocked_hashes import BlockedHashStore

STORE_TIMEOUT_S: Final = 10.0
HASH_TIMEOUT_S: Final = 20.0
ASK_TIMEOUT_S: Final = 0.3
MAX_GUILDS: Final = 64  # whose hashes are kept in memory: at most 4 MB each

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ruling:
    """hits: the rules that count, the strongest first. like_rejected: the ranks of pictures like rejected ones."""

    hits: tuple[Hit, ...] = ()
    like_rejected: tuple[int, ...] = ()

    @property
    def action(self) -> ImageAction | None:
        """The strongest one counts for the whole result; None if nothing is against it."""
        actions = [hit.action for hit in self.hits] + [ImageAction.REFUSE] * bool(self.like_rejected)
        return max(actions, key=lambda action: action.severity, default=None)


class ImageGate:
    """categories: all that this bot knows."""

    def __init__(self, categories: Categories, hashes: BlockedHashStore, threads: PictureThreads) -> None:
        self.categories = categories
        self._hashes = hashes
        self._threads = threads
        self._known: OrderedDict[int, BlockedHashes] = OrderedDict()
        # What is read while something is added must not be kept as all there is.
        self._turn = asyncio.Lock()

    @staticmethod
    def rules(settings: GuildSettings, *, is_trusted: bool) -> tuple[ImageRule, ...]:
        """Those that count for somebody. is_trusted: nothing of theirs is held."""
        return tuple(rule for rule in settings.image_rules if not (is_trusted and rule.action is ImageAction.HOLD))

    def labels(self, rules: Sequence[ImageRule]) -> tuple[str, ...]:
        """For GenerationRequest."""
        return labels_of(rules, self.categories)

    async def keeps_from_sight(self, guild_id: int | None, rules: Sequence[ImageRule]) -> bool:
        """Whether pictures can be kept from being seen, by rules or for being like rejected ones, so that there can't
        be previews. So they can where that isn't found out within ASK_TIMEOUT_S: an answer waits for it."""
        if keeps_from_sight(rules, self.categories):
            return True
        if guild_id is None:
            return False
        known = self._known.get(guild_id)
        if known is not None:
            return len(known) > 0
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                return await self._hashes.has_any(guild_id)
        except (StoreError, TimeoutError) as error:
            _log.warning("guild %d has no previews for now: %s", guild_id, str(error) or type(error).__name__)
            return True

    async def judge(self, guild_id: int | None, rules: Sequence[ImageRule], result: Result) -> Ruling:
        """Raises StoreError where the rules can't be read in time, TimeoutError where pictures can't be hashed."""
        if guild_id is None:
            return Ruling()
        blocked = await self._blocked(guild_id)
        hits = judge(result.images, result.request.labels, rules, self.categories)
        if not len(blocked):
            return Ruling(hits)
        pixels = [image.pixels for image in result.images]
        return Ruling(hits, await self._threads.run(HASH_TIMEOUT_S, _like_rejected, blocked, pixels))

    async def block(self, guild_id: int, pictures: Sequence[npt.NDArray[np.uint8]], *, case_number: int | None) -> None:
        """Refuses pictures like these from now on. pictures: uint8 [height, width, 3]. Raises StoreError and
        TimeoutError."""
        hashes = await self._threads.run(HASH_TIMEOUT_S, lambda: [hash_picture(each) for each in pictures])
        async with asyncio.timeout(STORE_TIMEOUT_S), self._turn:
            # Whatever becomes of the transaction, it is read anew.
            self._known.pop(guild_id, None)
            await self._hashes.add(guild_id, [each for each in hashes if each is not None], case_number=case_number)

    async def unblock(self, guild_id: int, case_number: int, actor_id: int) -> int:
        """Ends that for what a case has blocked; how many pictures that were. Raises StoreError and TimeoutError."""
        async with asyncio.timeout(STORE_TIMEOUT_S), self._turn:
            self._known.pop(guild_id, None)
            return await self._hashes.forget(guild_id, case_number, actor_id)

    async def _blocked(self, guild_id: int) -> BlockedHashes:
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S), self._turn:
                if guild_id not in self._known:
                    self._known[guild_id] = BlockedHashes(await self._hashes.of(guild_id))
                    while len(self._known) > MAX_GUILDS:
                        self._known.popitem(last=False)
                self._known.move_to_end(guild_id)
                return self._known[guild_id]
        except TimeoutError as error:
            raise StoreError(f"What guild {guild_id} has rejected could not be read in time.") from error


def _like_rejected(blocked: BlockedHashes, pictures: Sequence[npt.NDArray[np.uint8]]) -> tuple[int, ...]:
    """Their ranks."""
    hashes = [hash_picture(pixels) for pixels in pictures]
    return tuple(rank for rank, each in enumerate(hashes, 1) if each is not None and blocked.has_like(each))
