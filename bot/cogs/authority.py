"""Asks the table of bot/moderation/authority.py before every command and every press, on the event loop.

Discord's own permissions for commands are set from the same table, but nothing relies on them: they can be changed by
each server, they know nothing of moderator_roles, and a custom_id can be forged.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, assert_never

import discord
from discord import app_commands

from bot.errors import StoreError
from bot.moderation.authority import COMMANDS, MENUS, PRESSES, Level, Need, check, level_of
from bot.store import JobRecord, Store
from bot.views.custom_id import CustomId

READ_TIMEOUT_S: Final = 1.0

AnyCommand = app_commands.Command[Any, Any, Any] | app_commands.ContextMenu


class Authority:
    """Every check may raise MissingPermissionError and StoreError, and LookupError for what has no row: then nobody
    may."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def check_command(self, interaction: discord.Interaction[Any]) -> None:
        """Whether the interaction's user may use its command, or be told what its options may be."""
        command = interaction.command
        if command is not None:
            need = need_of(command)
            check(need, await self._sufficient_level(interaction, need))

    async def check_press(self, interaction: discord.Interaction[Any], pressed: CustomId) -> None:
        """Whether the interaction's user may press this. A job that isn't there is left to whoever acts."""
        need = PRESSES[pressed.action]
        if need is not Need.REQUESTER:
            check(need, await self._sufficient_level(interaction, need))
            return
        async with _in_time():
            job = await self._store.jobs.get(pressed.job_id)
        if job is not None:
            await self.check_job(interaction, job)

    async def check_job(self, interaction: discord.Interaction[Any], job: JobRecord) -> None:
        """Whether the interaction's user asked for a job or moderates where it is."""
        if job.user_id == interaction.user.id:
            return
        level = Level.MEMBER
        if interaction.guild_id is not None and interaction.guild_id == job.guild_id:
            is_there = interaction.channel_id == job.channel_id and interaction.permissions.manage_messages
            level = Level.MODERATOR if is_there else await self.level(interaction)
        check(Need.REQUESTER, level)

    async def level(self, interaction: discord.Interaction[Any]) -> Level:
        """What the interaction's user is in its guild."""
        level = permission_level(interaction)
        if level is not Level.MEMBER or interaction.guild_id is None:
            return level
        async with _in_time():
            settings = await self._store.guilds.settings(interaction.guild_id)
        return level_of(
            is_admin=False,
            may_moderate=False,
            role_ids=role_ids(interaction.user),
            moderator_roles=settings.moderator_roles,
        )

    async def _sufficient_level(self, interaction: discord.Interaction[Any], need: Need) -> Level:
        """The user's level, without the store where it doesn't matter."""
        return await self.level(interaction) if need is Need.MODERATOR else permission_level(interaction)


def permission_level(interaction: discord.Interaction[Any]) -> Level:
    """What Discord's permissions alone make of the interaction's user."""
    granted = interaction.permissions
    if interaction.guild_id is None:
        return Level.MEMBER
    return level_of(
        is_admin=granted.manage_guild or granted.administrator,
        may_moderate=granted.moderate_members,
    )


def role_ids(user: discord.User | discord.Member) -> frozenset[int]:
    """None outside of a guild."""
    return frozenset(role.id for role in user.roles) if isinstance(user, discord.Member) else frozenset()


def need_of(command: AnyCommand) -> Need:
    """Raises LookupError if the table has no row for it."""
    return MENUS[command.name] if isinstance(command, app_commands.ContextMenu) else COMMANDS[command.qualified_name]


def default_permissions(command: AnyCommand | app_commands.Group) -> discord.Permissions | None:
    """Whom Discord offers a command unless a server says otherwise: whoever may use some part of it; None for all."""
    parts: list[AnyCommand] = []
    if isinstance(command, app_commands.Group):
        parts += (part for part in command.walk_commands() if isinstance(part, app_commands.Command))
    else:
        parts.append(command)
    order = list(Need)
    need = min((need_of(part) for part in parts), key=order.index)
    match need:
        case Need.MEMBER | Need.REQUESTER:
            return None
        case Need.MODERATOR:
            return discord.Permissions(moderate_members=True)
        case Need.ADMIN:
            return discord.Permissions(manage_guild=True)
        case never:
            assert_never(never)


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            yield
    except TimeoutError as error:
        raise StoreError("Who may do this could not be found out in time.") from error
