"""What commands and controls share: made once, started and ended together. Made by the client, on the event loop."""

from collections.abc import Sequence

import discord

from bot.catalogues import Languages
from bot.cogs.admin_notices import AdminNotices
from bot.cogs.admission import Admission
from bot.cogs.audit_mirror import AuditMirror
from bot.cogs.audit_notes import AuditNotes
from bot.cogs.cancel_watch import CancelWatch
from bot.cogs.delivery import Deliveries
from bot.cogs.discord_clock import DiscordClock
from bot.cogs.erasing import Erasing
from bot.cogs.exporting import Exporting
from bot.cogs.fatal_jobs import FatalJobs
from bot.cogs.guild_lookup import GuildLookup
from bot.cogs.image_gate import ImageGate
from bot.cogs.message_removal import MessageRemoval
from bot.cogs.packing import Packing
from bot.cogs.picture_check import PictureCheck
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.report_desk import ReportDesk
from bot.cogs.reported_results import ReportedResults
from bot.cogs.resubmitting import Resubmitting
from bot.cogs.result_hiding import ResultHiding
from bot.cogs.result_keeper import ResultKeeper
from bot.cogs.retention import Retention
from bot.cogs.review_parts import review_parts
from bot.cogs.rule_book import RuleBook
from bot.cogs.sanctioning import Sanctioning
from bot.cogs.sweep_search import SweepSearch
from bot.cogs.sweeper import Sweeper
from bot.cogs.unfinished_jobs import UnfinishedJobs
from bot.executor.base import Executor
from bot.fence import Fence
from bot.moderation.cases import CaseKind
from bot.moderation.image_categories import Categories
from bot.moderation.parameters import ImageCount
from bot.moderation.prompt_rules import Rule
from bot.pictures import PictureFolder
from bot.store import CaseRecord, Store


class Services:
    """images: of a request. max_deliveries, max_picture_bytes: see Deliveries. rules: for prompts everywhere, beside
    those of each guild. categories: of pictures. fence: of the shards."""

    def __init__(
        self,
        client: discord.Client,
        *,
        store: Store,
        pictures: PictureFolder,
        executor: Executor,
        languages: Languages,
        images: ImageCount,
        max_deliveries: int,
        max_picture_bytes: int | None,
        rules: Sequence[Rule],
        categories: Categories,
        fence: Fence,
    ) -> None:
        self.store = store
        self.executor = executor
        self.languages = languages
        self.pictures = pictures
        self.threads = PictureThreads()
        self.gate = ImageGate(categories, store.blocked_hashes, self.threads)
        self.clock = DiscordClock()
        self.notes = AuditNotes(store.audit)
        self.check = PictureCheck(
            store,
            self.gate,
            notes=self.notes,
            on_open=self._wake_reviews,
            strike=self._strike_for_pictures,
            now=self.clock.now,
        )
        self.deliveries = Deliveries(
            store=store.jobs,
            executor=executor,
            keeper=ResultKeeper(store.jobs, store.images, pictures, self.threads),
            threads=self.threads,
            max_deliveries=max_deliveries,
            max_picture_bytes=max_picture_bytes,
            check=self.check,
            is_shared=not store.shards.are_all,
        )
        self.cancel_watch = CancelWatch(store.jobs, self.deliveries)
        self.admission = Admission(store, images=images, clock=self.clock)
        guilds = GuildLookup(client, store.shards)
        self.notices = AdminNotices(client, store.values, guilds, languages)
        self.mirror = AuditMirror(client, store, guilds, self.notices, languages)
        self.sanctioning = Sanctioning(client, store, self.clock, languages)
        self.rule_book = RuleBook(store.rules, rules)
        self.removal = MessageRemoval(client, store.showings)
        self.exporting = Exporting(client, Packing(store.exports, pictures, self.threads))
        self.erasing = Erasing(
            client,
            store=store,
            pictures=pictures,
            removal=self.removal,
            deliveries=self.deliveries,
            clock=self.clock,
            languages=languages,
        )
        self.retention = Retention(store=store, pictures=pictures, notes=self.notes, now=self.clock.now)
        self.sweep_search = SweepSearch(store, pictures, self.threads)
        self.sweeper = Sweeper(
            client,
            store=store,
            pictures=pictures,
            removal=self.removal,
            search=self.sweep_search,
            languages=languages,
            on_kept=self._result_deleted,
        )
        self.fatal_jobs = FatalJobs(store, executor, fence)
        self.resubmitting = Resubmitting(
            client,
            store=store,
            pictures=pictures,
            threads=self.threads,
            admission=self.admission,
            gate=self.gate,
            executor=executor,
            fatal=self.fatal_jobs,
            languages=languages,
        )
        self.unfinished = UnfinishedJobs(
            store=store,
            resubmitting=self.resubmitting,
            deliveries=self.deliveries,
            fatal=self.fatal_jobs,
            languages=languages,
        )
        hiding = ResultHiding(client, store=store, kept=self.resubmitting, threads=self.threads, languages=languages)
        reported = ReportedResults(
            client,
            store=store,
            pictures=pictures,
            removal=self.removal,
            hiding=hiding,
            kept=self.resubmitting,
            gate=self.gate,
            languages=languages,
        )
        self.review = review_parts(
            client,
            store=store,
            pictures=pictures,
            threads=self.threads,
            deliveries=self.deliveries,
            resubmitting=self.resubmitting,
            gate=self.gate,
            notices=self.notices,
            languages=languages,
            sanctioning=self.sanctioning,
            now=self.clock.now,
            followers={CaseKind.REPORT: reported},
        )
        self.report_desk = ReportDesk(
            store, hiding=hiding, board=self.review.board, reviewing=self.review.reviewing, now=self.clock.now
        )

    def start(self) -> None:
        """Begins what goes on in the background, for the guilds of this process; the mirror goes on in one process for
        all, and cancellations are watched for where there are others."""
        for background in (
            self.unfinished,
            self.erasing,
            self.retention,
            self.sweeper,
            self.review.reviewing,
            self.report_desk,
        ):
            background.start()
        if self.store.shards.has_first:
            self.mirror.start()
        if not self.store.shards.are_all:
            self.cancel_watch.start()

    async def aclose(self) -> None:
        """Ends it, lets deliveries end within their bound, and frees the threads. Safe to call twice."""
        for background in (
            self.unfinished,
            self.retention,
            self.report_desk,
            self.sweeper,
            self.erasing,
            self.exporting,
            self.mirror,
            self.review.reviewing,
        ):
            await background.aclose()
        await self.deliveries.aclose()
        await self.cancel_watch.aclose()
        await self.fatal_jobs.aclose()
        await self.notes.aclose()
        self.threads.close()

    def _wake_reviews(self) -> None:
        self.review.reviewing.wake()

    async def _result_deleted(self, case: CaseRecord) -> None:
        await self.report_desk.result_deleted(case)

    async def _strike_for_pictures(self, guild_id: int, user_id: int, job_id: str, reason: str) -> bool:
        return await self.sanctioning.strike_by_rule(guild_id, user_id, reason=reason, job_id=job_id) is not None
