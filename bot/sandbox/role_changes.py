"""The lines `give` and `take`: members who get roles, and lose them. Called by the player; sandbox's event loop."""

from collections.abc import Callable
from typing import Any

from discord import Intents

from bot.sandbox.guild import Member
from bot.sandbox.lines import Give, Take
from bot.sandbox.objects import role_json
from bot.sandbox.world import BOT_NAME, World


def change_roles(
    action: Give | Take, player: Member, world: World, dispatch: Callable[[str, dict[str, Any], int], bool]
) -> tuple[Member, str]:
    """The player as they are afterwards, and a note on what became of whom. Raises LineError for what can't be.

    dispatch: sends an event to clients with one of the intents."""
    name = action.role.removeprefix("@")
    is_known = any(role.name == name for role in world.roles.values())
    if isinstance(action, Give) and not is_known:
        created = {"guild_id": world.guild_id, "role": role_json(world.new_role(name))}
        dispatch("GUILD_ROLE_CREATE", created, Intents(guilds=True).value)
    role = world.role_named(name)
    named = action.member if isinstance(action, Give) else None
    if named == BOT_NAME:
        world.bot = world.with_role(world.bot, role, has_it=True)
    elif named is not None:
        world.with_role(world.member_named(named), role, has_it=True)
    else:
        player = world.with_role(player, role, has_it=isinstance(action, Give))
    verb = "has" if isinstance(action, Give) else "no longer has"
    return player, f"{named or player.name} {verb} the role {role.name}"
