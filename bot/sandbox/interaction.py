"""One interaction: what a member did, and how the gateway tells the client of it. Pure; interactions.py makes them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.files import MAX_FILE_BYTES
from bot.sandbox.guild import Channel, Member
from bot.sandbox.message_store import Placement
from bot.sandbox.messages import DEFAULT_MESSAGE, MENU_ANSWER, SLASH_ANSWER, Message, Origin
from bot.sandbox.objects import channel_json, member_json, user_json
from bot.sandbox.world import World

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 2, 3, 4, 5


@dataclass(slots=True)
class Interaction:
    """One thing that a member did. kind: Discord's interaction type; source: the message whose component was used.

    acknowledgement: the callback type that answered it, None until then. original_id: the message that `@original`
    means. modal: the form that answered it.
    """

    id: str
    kind: int
    member: Member
    channel: Channel
    created_s: float
    data: dict[str, Any]
    origin: Origin
    source: Message | None = None
    # As Discord's begin: "interaction:" in base64.
    token: str = field(default_factory=lambda: f"aW50ZXJhY3Rpb246{secrets.token_urlsafe(84)}", repr=False)
    acknowledgement: int | None = None
    is_dead: bool = False
    original_id: str | None = None
    modal: dict[str, Any] | None = None
    num_follow_ups: int = 0

    @property
    def placement(self) -> Placement:
        """Where its first answer goes, if everybody may see it."""
        is_menu = self.kind == COMMAND and self.data["type"] != 1
        kind = DEFAULT_MESSAGE if self.kind != COMMAND else MENU_ANSWER if is_menu else SLASH_ANSWER
        return Placement(self.channel.id, kind, self.origin)


def interaction_json(
    world: World, interaction: Interaction, message_json: Callable[[Message], dict[str, Any]]
) -> dict[str, Any]:
    """The INTERACTION_CREATE object."""
    channel, member = interaction.channel, interaction.member
    permissions, guild_id = str(world.permissions(member, channel)), world.guild_of(channel)
    payload: dict[str, Any] = {
        "id": interaction.id,
        "application_id": world.application_id,
        "type": interaction.kind,
        "token": interaction.token,
        "version": 1,
        "data": interaction.data,
        "channel_id": channel.id,
        "channel": channel_json(world, channel) | {"permissions": permissions},
        "locale": member.locale,
        "app_permissions": str(world.app_permissions(channel)),
        "entitlements": [],
        "authorizing_integration_owners": world.owners(channel, member),
        "context": channel.place.context,
        "attachment_size_limit": MAX_FILE_BYTES,
    }
    if channel.place.context == 0:
        payload |= {
            "guild_id": guild_id,
            "guild": {"id": guild_id, "locale": "en-US", "features": []},
            "guild_locale": "en-US",
            "member": member_json(world, member) | {"permissions": permissions},
        }
    else:
        payload["user"] = user_json(member)
    if interaction.source is not None:
        payload["message"] = message_json(interaction.source)
    return payload
