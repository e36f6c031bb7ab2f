"""Where the bot works at all, by its configuration. Pure; asked at every command and press, and by the job desk."""

from dataclasses import dataclass

from bot.errors import NotAdmittedError


@dataclass(frozen=True, slots=True)
class Places:
    """guilds: the ids of all in which it works; None for any. direct_messages: whether it draws there. user_installs:
    whether it draws where it is no member, for users who installed it for themselves."""

    guilds: frozenset[int] | None = None
    direct_messages: bool = False
    user_installs: bool = False

    def check_guild(self, guild_id: int | None) -> None:
        """Raises NotAdmittedError in a guild that isn't one of `guilds`. guild_id: None outside of guilds."""
        if guild_id is not None and self.guilds is not None and guild_id not in self.guilds:
            raise NotAdmittedError(
                "I work in certain servers only, and this one is not among them. Whoever runs me can allow it: its id "
                "is {guild_id}.",
                guild_id=str(guild_id),
            )

    def check_job(self, *, is_direct: bool, is_member: bool) -> None:
        """Raises NotAdmittedError where no job may be made. is_direct: in direct messages with the bot. is_member:
        in a guild that it is in."""
        if is_direct and not self.direct_messages:
            raise NotAdmittedError("I don't draw in direct messages. Ask in a server that I am in.")
        if not is_direct and not is_member and not self.user_installs:
            raise NotAdmittedError("I draw only in servers that I am in. Ask there, or have me added to this one.")
