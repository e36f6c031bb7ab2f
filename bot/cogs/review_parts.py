"""Builds what holds jobs for moderators and lets them decide. Called once, by the client."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import discord

from bot.catalogues import Languages
from bot.cogs.admin_notices import AdminNotices
from bot.cogs.appeal_board import AppealBoard
from bot.cogs.blocked_pictures import BlockedPictures
from bot.cogs.case_sanctions import CaseSanctions
from bot.cogs.delivery import Deliveries
from bot.cogs.held_jobs import HeldJobs
from bot.cogs.image_gate import ImageGate
from bot.cogs.image_rule_commands import ImageRuleCommands
from bot.cogs.mod_group import ModCommand
from bot.cogs.picture_threads import PictureThreads
from bot.cogs.resubmitting import Resubmitting
from bot.cogs.review_board import ReviewBoard
from bot.cogs.review_channels import ReviewChannels
from bot.cogs.review_commands import ReviewCommands
from bot.cogs.reviewing import CaseFollower, Reviewing
from bot.cogs.sanctioning import Sanctioning
from bot.moderation.cases import CaseKind
from bot.pictures import PictureFolder
from bot.store import Store


@dataclass(frozen=True, slots=True)
class ReviewParts:
    """commands: for the group /mod."""

    board: ReviewBoard
    reviewing: Reviewing
    commands: tuple[ModCommand, ...]


def review_parts(
    client: discord.Client,
    *,
    store: Store,
    pictures: PictureFolder,
    threads: PictureThreads,
    deliveries: Deliveries,
    resubmitting: Resubmitting,
    gate: ImageGate,
    notices: AdminNotices,
    languages: Languages,
    sanctioning: Sanctioning,
    now: Callable[[], datetime],
    followers: Mapping[CaseKind, CaseFollower] | None = None,
) -> ReviewParts:
    """now: an aware time, for deadlines. followers: of the kinds of cases that are not about held jobs."""
    channels = ReviewChannels(client, notices, languages)
    board = ReviewBoard(
        client,
        store=store,
        kept=resubmitting,
        threads=threads,
        categories=gate.categories,
        channels=channels,
        now=now,
    )
    appeals = AppealBoard(store, channels)
    held = HeldJobs(
        store,
        pictures=pictures,
        deliveries=deliveries,
        resubmitting=resubmitting,
        gate=gate,
        languages=languages,
    )
    reviewing = Reviewing(
        store,
        board=board,
        appeals=appeals,
        followers={CaseKind.HELD_PROMPT: held, CaseKind.HELD_PICTURES: held, **(followers or {})},
        sanctions=CaseSanctions(store, sanctioning, channels),
        now=now,
    )
    images = ImageRuleCommands(store.guilds, gate.categories, languages)
    blocked = BlockedPictures(store.blocked_hashes, gate, languages)
    reviews = ReviewCommands(store, board, appeals, languages, withdraw=reviewing.withdraw_ended)
    return ReviewParts(board, reviewing, (*reviews.commands(), *images.commands(), *blocked.commands()))
