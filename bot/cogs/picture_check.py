"""Whether a finished result is shown, shown behind a click, held for moderators or refused. Used by the deliveries.

One picture of nine that a rule counts for decides for all nine: they are one message, uncalibrated rules are wrong
often enough that a moderator should see what was asked for as a whole, and a result with gaps would have other ranks
than the same seed has elsewhere.

Event loop. Everything here raises rather than let something through: StoreError where it may be asked again,
TimeoutError, and JobFailedError with the sentence for whoever asked.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.cogs.audit_notes import AuditNotes
from bot.cogs.follower import AcceptedJob
from bot.cogs.image_gate import ImageGate, Ruling
from bot.errors import JobFailedError, StoreError
from bot.guild_settings import GuildSettings
from bot.image_rule import ImageAction
from bot.language import Text
from bot.moderation.cases import CaseKind
from bot.moderation.image_texts import category_text
from bot.requests import Result
from bot.store import AuditAction, AuditRecord, CaseRecord, NewCase, Store

STORE_TIMEOUT_S: Final = 10.0
MAX_OPEN_OF_GUILD: Final = 200
MAX_OPEN_OF_USER: Final = 10

NO_CHANNEL: Final = Text(
    "This server wants moderators to look at this first, but has set no channel for that. Members with “Manage Server” "
    "can choose one with /settings."
)

Strike = Callable[[int, int, str, str], Awaitable[bool]]
"""Gives a strike in a guild to a user for a job, with the reason; whether they got one, which moderators don't."""


@dataclass(frozen=True, slots=True)
class Passed:
    """It may be shown. warning: for whoever asked."""

    is_spoiler: bool = False
    warning: Text | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Moderators should decide. details: for the case."""

    details: dict[str, Any]


class PictureCheck:
    """notes: get what is shown with a warning or behind a click. on_open: called when there is a case to show to
    moderators. strike: for a rule that says so. now: aware."""

    def __init__(
        self,
        store: Store,
        gate: ImageGate,
        *,
        notes: AuditNotes,
        on_open: Callable[[], None],
        strike: Strike,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._gate = gate
        self._notes = notes
        self._on_open = on_open
        self._strike = strike
        self._now = now

    async def check(self, job: AcceptedJob, result: Result) -> Passed | Held:
        """What the rules of the job's guild make of its result, unless moderators have decided already. May be called
        again for the same result."""
        if job.is_reviewed:
            return Passed(job.is_spoiler, job.warning)
        ruling = await self._gate.judge(job.guild_id, job.image_rules, result)
        match ruling.action:
            case None:
                return Passed(job.is_spoiler)
            case ImageAction.WARN:
                await self._note(job, ruling, AuditAction.PICTURES_WARNED)
                return Passed(job.is_spoiler, _warning(ruling))
            case ImageAction.SPOILER:
                await self._note(job, ruling, AuditAction.PICTURES_SPOILERED)
                return Passed(is_spoiler=True)
            case ImageAction.HOLD:
                redrawn = {} if job.redrawn_after is None else {"redrawn_after": job.redrawn_after}
                return Held({"hits": [asdict(hit) for hit in ruling.hits]} | redrawn)
            case ImageAction.REFUSE | ImageAction.STRIKE:
                is_struck = await self._record(job, ruling)
                sentence = _refusal(ruling)
                if is_struck:
                    raise JobFailedError(
                        "{refusal} This brings a strike; with /appeal you can ask the moderators to look at it again.",
                        refusal=sentence,
                    )
                raise JobFailedError(sentence)

    async def _note(self, job: AcceptedJob, ruling: Ruling, action: AuditAction) -> None:
        # A job that is drawn again after a stop is judged again.
        await self._notes.add(_record_of(job, ruling, action), is_once=True)

    async def _record(self, job: AcceptedJob, ruling: Ruling) -> bool:
        """Whether its requester got a strike too."""
        assert job.guild_id is not None
        record = _record_of(job, ruling, AuditAction.PICTURES_REFUSED)
        # A stop before the job's end is recorded has it drawn and looked at again.
        async with _in_time(job):
            if not await self._store.audit.knows(record):
                await self._store.audit.add(record)
            is_struck = await self._store.audit.knows(replace(record, action=AuditAction.STRIKE))
        if ruling.action is not ImageAction.STRIKE:
            return False
        reason = job.language.tell(_strike_reason(ruling))
        return is_struck or await self._strike(job.guild_id, job.user_id, job.request.job_id, reason)

    async def open(self, kind: CaseKind, job: AcceptedJob, details: dict[str, Any]) -> CaseRecord:
        """A case for a job of a guild; the open one, if there is, which has a place among those that wait. Raises
        JobFailedError if there can be none, and StoreError."""
        assert job.guild_id is not None
        async with _in_time(job):
            for case in await self._store.cases.of_job(job.request.job_id):
                if case.kind is kind and case.decision is None:
                    return case
            settings = await self._store.guilds.settings(job.guild_id)
            new = await self.new_case(kind, job.guild_id, job.user_id, job.request.job_id, settings, details)
            return await self._store.cases.open(new)

    async def open_case(self, case: NewCase) -> CaseRecord:
        """Stores a case. Raises StoreError."""
        return await self._store.cases.open(case)

    def opened(self) -> None:
        """What a case is about is stored too now: moderators may see it."""
        self._on_open()

    async def new_case(
        self,
        kind: CaseKind,
        guild_id: int,
        user_id: int,
        job_id: str,
        settings: GuildSettings,
        details: dict[str, Any],
    ) -> NewCase:
        """Raises JobFailedError where nobody would decide it, or too many wait already."""
        if settings.review_channel is None:
            raise JobFailedError(NO_CHANNEL)
        cases = self._store.cases
        if await cases.num_open(guild_id, user_id, are_held=True) >= MAX_OPEN_OF_USER:
            raise JobFailedError(
                "This would have to wait for moderators, and {count} requests of yours do already. Ask again when they "
                "are decided.",
                count=MAX_OPEN_OF_USER,
            )
        if await cases.num_open(guild_id, are_held=True) >= MAX_OPEN_OF_GUILD:
            raise JobFailedError(
                "This would have to wait for moderators, and too many requests do already. Ask again later."
            )
        return NewCase(
            guild_id=guild_id,
            kind=kind,
            job_id=job_id,
            user_id=user_id,
            deadline_at=self._now() + timedelta(hours=settings.review_hours),
            details=details,
        )


@asynccontextmanager
async def _in_time(job: AcceptedJob) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            yield
    except TimeoutError as error:
        raise StoreError(f"What is done about job {job.request.job_id} could not be recorded in time.") from error


def _record_of(job: AcceptedJob, ruling: Ruling, action: AuditAction) -> AuditRecord:
    assert job.guild_id is not None
    details: dict[str, Any] = {"hits": [asdict(hit) for hit in ruling.hits]}
    if ruling.like_rejected:
        details["like_rejected"] = list(ruling.like_rejected)
    return AuditRecord(
        guild_id=job.guild_id, action=action, user_id=job.user_id, job_id=job.request.job_id, details=details
    )


def _warning(ruling: Ruling) -> Text:
    return Text("A rule of this server is against {what}: keep to it.", what=_what(ruling))


def _refusal(ruling: Ruling) -> Text:
    if not any(hit.action is ruling.action for hit in ruling.hits):
        return Text("The pictures are not shown: they are nearly the same as ones that moderators rejected.")
    return Text("The pictures are not shown: a rule of this server is against {what}.", what=_what(ruling))


def _strike_reason(ruling: Ruling) -> Text:
    return Text("Pictures against a rule of this server: {what}", what=_what(ruling))


def _what(ruling: Ruling) -> tuple[Text | str, ...]:
    names = dict.fromkeys(hit.category for hit in ruling.hits if hit.action is ruling.action)
    return tuple(category_text(name) for name in names)
