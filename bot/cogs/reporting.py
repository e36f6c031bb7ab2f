"""Members report results: a button, a menu and a form for the reason. Called by the controls and discord.py.

Whatever could refuse a report is asked when the form opens, so that nobody writes in vain, and again when it comes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import discord

from bot.catalogues import Languages
from bot.cogs.answering import answer_alone
from bot.cogs.report_desk import ReportDesk
from bot.cogs.results import Results
from bot.errors import JobEndedError, NotAdmittedError, StoreError
from bot.moderation.cases import CaseKind
from bot.moderation.reporting import MAX_REASON_CHARACTERS, check_flood, check_reporter
from bot.store import JobRecord, NewCase, Store
from bot.views.custom_id import Action, CustomId
from bot.views.forms import Field, form_values, make_form

STORE_TIMEOUT_S: Final = 1.5


class Reporting:
    """Methods raise NotAdmittedError and JobEndedError, with why, and StoreError. now: an aware time."""

    def __init__(
        self,
        store: Store,
        results: Results,
        desk: ReportDesk,
        languages: Languages,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._results = results
        self._desk = desk
        self._languages = languages
        self._now = now

    async def press(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """The button below a result: opens the form."""
        await self._ask(interaction, await self._results.job(interaction, pressed.job_id))

    async def menu(self, interaction: discord.Interaction[Any], message: discord.Message) -> None:
        """The menu on a result: the same."""
        await self._ask(interaction, await self._results.of_message(interaction, message.id))

    async def submitted(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Stores the report in the one open case of its job, tells its number, and has moderators see it."""
        job = await self._results.job(interaction, pressed.job_id)
        await self._check(interaction, job)
        reason = form_values(interaction).get("reason", "")[:MAX_REASON_CHARACTERS]
        assert job.guild_id is not None
        case = NewCase(guild_id=job.guild_id, kind=CaseKind.REPORT, job_id=job.id, user_id=job.user_id)
        async with _in_time():
            opened = await self._store.cases.open(case)
            is_added = await self._store.reports.add(
                opened, interaction.user.id, reason, str(interaction.locale), at=self._now()
            )
        if not is_added:
            raise JobEndedError("Moderators have just decided about this result.")
        language = self._languages.of(str(interaction.locale))
        said = language.text(
            "Reported: case {number}. Moderators will look at it. You will hear what came of it, if you take direct "
            "messages from me.",
            number=f"#{opened.number}",
        )
        await answer_alone(interaction, said)
        await self._desk.reported(opened, job)

    async def _ask(self, interaction: discord.Interaction[Any], job: JobRecord) -> None:
        await self._check(interaction, job)
        language = self._languages.of(str(interaction.locale))
        reason = Field(
            "reason",
            language.text("What is wrong with it?"),
            MAX_REASON_CHARACTERS,
            hint=language.text("Moderators read this, and see that you wrote it"),
            is_required=True,
            is_long=True,
        )
        custom_id = CustomId(Action.REPORT_SEND, job.id)
        await interaction.response.send_modal(make_form(language.text("Report this result"), custom_id, [reason]))

    async def _check(self, interaction: discord.Interaction[Any], job: JobRecord) -> None:
        user_id = interaction.user.id
        if job.guild_id is None or job.guild_id != interaction.guild_id or not interaction.is_guild_integration():
            raise NotAdmittedError("Only results of this server can be reported here.")
        if user_id == job.user_id:
            raise NotAdmittedError("This result is yours: delete it, if something is wrong with it.")
        async with _in_time():
            if await self._store.reports.has(job.id, user_id):
                raise NotAdmittedError("You have reported this result already.")
            if await self._store.reports.is_settled(job.id):
                raise NotAdmittedError("Moderators have looked at this result already, and left it.")
            check_reporter(await self._store.reports.past(job.guild_id, user_id), self._now())
            check_flood(await self._store.reports.num_open_cases(job.guild_id))


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            yield
    except TimeoutError as error:
        raise StoreError("The report could not be stored in time.") from error
