"""Members, roles, channels and guilds as Discord's API tells of them. Called by the routes and the gateway; pure."""

from typing import Any

from bot.sandbox.clock import iso
from bot.sandbox.guild import Channel, Member, Place, Role
from bot.sandbox.world import World


def user_json(member: Member) -> dict[str, Any]:
    """A user object."""
    user: dict[str, Any] = {
        "id": member.id,
        "username": member.name,
        "discriminator": "0000" if member.is_bot else "0",
        "global_name": None if member.is_bot else member.name,
        "avatar": None,
        "public_flags": 0,
        "flags": 0,
        "primary_guild": None,
    }
    return user | {"bot": True} if member.is_bot else user


def member_json(world: World, member: Member) -> dict[str, Any]:
    """A guild member object with its user."""
    return {
        "user": user_json(member),
        "nick": None,
        "avatar": None,
        "banner": None,
        "roles": list(member.role_ids),
        "joined_at": iso(world.born_s),
        "premium_since": None,
        "communication_disabled_until": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
    }


def role_json(role: Role) -> dict[str, Any]:
    return {
        "id": role.id,
        "name": role.name,
        "permissions": str(role.permissions),
        "position": role.position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": False,
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }


def channel_json(world: World, channel: Channel) -> dict[str, Any]:
    if channel.recipient_id is not None:
        recipients = [user_json(world.members[channel.recipient_id])]
        return {"id": channel.id, "type": 1, "last_message_id": None, "flags": 0, "recipients": recipients}
    if channel.place is Place.GROUP:
        return {
            "id": channel.id,
            "type": 3,
            "last_message_id": None,
            "flags": 0,
            "name": channel.name,
            "icon": None,
        }
    overwrites = [
        {"id": o.target_id, "type": o.kind, "allow": str(o.allow), "deny": str(o.deny)} for o in channel.overwrites
    ]
    return {
        "id": channel.id,
        "type": 0,
        "guild_id": world.guild_of(channel),
        "name": channel.name,
        "position": channel.position,
        "permission_overwrites": overwrites,
        "nsfw": False,
        "topic": None,
        "parent_id": None,
        "last_message_id": None,
        "rate_limit_per_user": 0,
        "flags": 0,
    }


def guild_json(world: World, guild_id: str) -> dict[str, Any]:
    """A guild object as REST gives it."""
    absent = (
        "icon description home_header splash discovery_splash banner application_id afk_channel_id "
        "system_channel_id widget_channel_id max_presences vanity_url_code rules_channel_id "
        "safety_alerts_channel_id public_updates_channel_id incidents_data"
    )
    return dict.fromkeys(absent.split()) | {
        "id": guild_id,
        "name": world.guilds[guild_id],
        "owner_id": world.owner.id,
        "features": [],
        "region": "us-east",
        "afk_timeout": 300,
        "system_channel_flags": 0,
        "widget_enabled": False,
        "verification_level": 0,
        "roles": [role_json(role) for role in world.roles_of(guild_id)],
        "default_message_notifications": 0,
        "mfa_level": 0,
        "explicit_content_filter": 0,
        "max_members": 500_000,
        "max_stage_video_channel_users": 50,
        "max_video_channel_users": 25,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "preferred_locale": "en-US",
        "premium_progress_bar_enabled": False,
        "nsfw": False,
        "nsfw_level": 0,
        "emojis": [],
        "stickers": [],
    }


def guild_create_json(world: World, guild_id: str) -> dict[str, Any]:
    """The gateway's GUILD_CREATE: every channel, seen or not; of the members the bot alone."""
    return guild_json(world, guild_id) | {
        "joined_at": iso(world.born_s),
        "large": False,
        "unavailable": False,
        "member_count": len(world.members),
        "members": [member_json(world, world.bot)],
        "channels": [channel_json(world, channel) for channel in world.channels_of(guild_id)],
        "voice_states": [],
        "threads": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }
