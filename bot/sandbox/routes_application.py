"""REST routes about the application, its commands, its gateway and the guild. Sandbox's event loop."""

from collections.abc import Callable
from typing import Any

from discord import Permissions

from bot.sandbox.calls import Call, Route
from bot.sandbox.command_registry import CommandRegistry
from bot.sandbox.errors import invalid_form, missing_permissions, unknown
from bot.sandbox.gateway_faults import MAX_STARTS_A_DAY
from bot.sandbox.objects import channel_json, guild_json, member_json, role_json, user_json
from bot.sandbox.world import BOT_NAME, World


class ApplicationRoutes:
    """gateway_url: the ws:// address that clients connect to. starts_left: how many sessions may begin today."""

    def __init__(
        self, world: World, commands: CommandRegistry, gateway_url: str, starts_left: Callable[[], int]
    ) -> None:
        self._world = world
        self._commands = commands
        self._gateway_url = gateway_url
        self._starts_left = starts_left

    def routes(self) -> list[Route]:
        application, guild = "/applications/{application_id}", "/guilds/{guild_id}"
        return [
            Route("GET", "/gateway", lambda _: {"url": self._gateway_url}, needs_token=False),
            Route("GET", "/gateway/bot", self._gateway_bot),
            Route("GET", "/users/@me", self._me),
            Route("GET", "/users/@me/guilds", self._my_guilds),
            Route("POST", "/users/@me/channels", self._open_direct_channel),
            Route("GET", "/users/{user_id}", self._user),
            Route("GET", "/applications/@me", self._application),
            Route("GET", "/oauth2/applications/@me", self._application),
            Route("GET", f"{application}/commands", self._list_commands),
            Route("PUT", f"{application}/commands", self._overwrite_commands),
            Route("GET", f"{application}/guilds/{{guild_id}}/commands", self._list_commands),
            Route("PUT", f"{application}/guilds/{{guild_id}}/commands", self._overwrite_commands),
            Route("GET", guild, self._guild),
            Route("GET", f"{guild}/channels", self._channels),
            Route("GET", f"{guild}/roles", self._roles),
            Route("GET", f"{guild}/members/{{user_id}}", self._member),
            Route("GET", f"{guild}/auto-moderation/rules", self._automod_rules),
        ]

    def _gateway_bot(self, _: Call) -> dict[str, Any]:
        limit = {
            "total": MAX_STARTS_A_DAY,
            "remaining": self._starts_left(),
            "reset_after": 86_400_000,
            "max_concurrency": 1,
        }
        return {"url": self._gateway_url, "shards": 1, "session_start_limit": limit}

    def _me(self, _: Call) -> dict[str, Any]:
        user = user_json(self._world.bot)
        return user | {"mfa_enabled": False, "locale": "en-US", "verified": True, "email": None}

    def _my_guilds(self, call: Call) -> list[dict[str, Any]]:
        """In the order of their ids, in pages."""
        limit, after = int(call.query.get("limit", 200)), int(call.query.get("after", 0))
        granted = str(self._world.permissions_in_guild(self._world.bot))
        guilds = sorted((int(guild_id), name) for guild_id, name in self._world.guilds.items())
        return [
            {
                "id": str(guild_id),
                "name": name,
                "icon": None,
                "banner": None,
                "owner": False,
                "permissions": granted,
                "features": [],
            }
            for guild_id, name in guilds
            if guild_id > after
        ][:limit]

    def _user(self, call: Call) -> dict[str, Any]:
        member = self._world.members.get(call.params["user_id"])
        if member is None:
            raise unknown("User")
        return user_json(member)

    def _open_direct_channel(self, call: Call) -> dict[str, Any]:
        member = self._world.members.get(str(call.form.get("recipient_id")))
        if member is None or member.is_bot:
            raise unknown("User")
        return channel_json(self._world, self._world.direct_channel(member))

    def _application(self, _: Call) -> dict[str, Any]:
        world = self._world
        return {
            "id": world.application_id,
            "name": BOT_NAME,
            "icon": None,
            "description": "An application in the sandbox.",
            "type": None,
            "bot": user_json(world.bot),
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "0" * 64,
            "flags": 0,
            "flags_new": "0",
            "redirect_uris": [],
            "interactions_endpoint_url": None,
            "role_connections_verification_url": None,
            "owner": user_json(world.owner),
            "approximate_guild_count": len(self._world.guilds),
            "approximate_user_install_count": 0,
            "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0,
            "team": None,
            "eligible_oauth2_scopes": [],
            "integration_types_config": {"0": {}},
        }

    def _scope(self, call: Call) -> str | None:
        """The guild that a commands route is about; None for global commands."""
        if call.params["application_id"] != self._world.application_id:
            raise unknown("Application")
        guild_id = call.params.get("guild_id")
        if guild_id is not None and (guild_id != self._world.guild_id or guild_id not in self._world.guilds):
            raise unknown("Guild")
        return guild_id

    def _list_commands(self, call: Call) -> list[dict[str, Any]]:
        return self._commands.in_scope(self._scope(call))

    def _overwrite_commands(self, call: Call) -> list[dict[str, Any]]:
        scope = self._scope(call)
        if not isinstance(call.payload, list):
            raise invalid_form("", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        return self._commands.overwrite(scope, call.payload)

    def _guild_id(self, call: Call) -> str:
        """The guild that a call is about. Raises ApiError 10004 if there is none."""
        guild_id = call.params["guild_id"]
        if guild_id not in self._world.guilds:
            raise unknown("Guild")
        return guild_id

    def _guild(self, call: Call) -> dict[str, Any]:
        guild = guild_json(self._world, self._guild_id(call))
        if call.is_set("with_counts"):
            guild |= {"approximate_member_count": len(self._world.members), "approximate_presence_count": 1}
        return guild

    def _channels(self, call: Call) -> list[dict[str, Any]]:
        channels = self._world.channels_of(self._guild_id(call))
        return [channel_json(self._world, channel) for channel in channels]

    def _roles(self, call: Call) -> list[dict[str, Any]]:
        return [role_json(role) for role in self._world.roles_of(self._guild_id(call))]

    def _automod_rules(self, call: Call) -> list[dict[str, Any]]:
        guild_id = self._guild_id(call)
        if not Permissions(self._world.permissions_in_guild(self._world.bot)).manage_guild:
            raise missing_permissions()
        return self._world.automod_rules if guild_id == self._world.guild_id else []

    def _member(self, call: Call) -> dict[str, Any]:
        self._guild_id(call)
        user_id = call.params["user_id"]
        if not self._world.is_member(user_id):
            raise unknown("Member")
        return member_json(self._world, self._world.members[user_id])
