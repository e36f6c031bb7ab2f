"""Who may do what: the one table for every command, context menu and control. Pure; bot/cogs/authority.py asks it
before each of them, and tells Discord what Discord can enforce too.

A row says the least that is needed. What somebody may see, and whose draft or list it is, is asked by whoever acts.
"""

from collections.abc import Collection, Mapping
from enum import Enum, IntEnum
from typing import Final

from bot.errors import MissingPermissionError
from bot.moderation.prompt_rules import Category, RuleAction


class Level(IntEnum):
    """What somebody is in a guild. MODERATOR: has Moderate Members, or one of the guild's moderator_roles. ADMIN: has
    Manage Server. Outside of guilds everybody is a MEMBER."""

    MEMBER = 0
    MODERATOR = 1
    ADMIN = 2


class Need(Enum):
    """What a row asks for. REQUESTER: whoever asked for the job, or a moderator of its guild; in the job's channel
    somebody with Manage Messages counts as one."""

    MEMBER = "everybody"
    REQUESTER = "requester or moderator"
    MODERATOR = "moderator"
    ADMIN = "admin"


# A command by its full name.
COMMANDS: Final[Mapping[str, Need]] = {
    "imagine": Need.MEMBER,
    "again": Need.MEMBER,
    "queue": Need.MEMBER,
    "gallery": Need.MEMBER,
    "show": Need.MEMBER,
    "stats": Need.MEMBER,
    "style add": Need.ADMIN,
    "style remove": Need.ADMIN,
    "style list": Need.MEMBER,
    "settings": Need.ADMIN,
    "help": Need.MEMBER,
    "about": Need.MEMBER,
    "mod sweep": Need.MODERATOR,
    "privacy policy": Need.MEMBER,
    "privacy export": Need.MEMBER,
    "privacy delete": Need.MEMBER,
    "appeal": Need.MEMBER,
    "mod log": Need.MODERATOR,
    "mod rules add": Need.MODERATOR,
    "mod rules remove": Need.MODERATOR,
    "mod rules list": Need.MODERATOR,
    "mod rules import": Need.MODERATOR,
    "mod rules export": Need.MODERATOR,
    "mod rules import-automod": Need.ADMIN,
    "mod rules categories": Need.MODERATOR,
    "mod test-prompt": Need.MODERATOR,
    "mod ban": Need.MODERATOR,
    "mod unban": Need.MODERATOR,
    "mod strike": Need.MODERATOR,
    "mod history": Need.MODERATOR,
    "mod review": Need.MODERATOR,
    "mod images": Need.MODERATOR,
    "mod blocked": Need.MODERATOR,
    "mod quota": Need.ADMIN,
}

# A context menu by its English name.
MENUS: Final[Mapping[str, Need]] = {
    "Draw this": Need.MEMBER,
    "Remix": Need.MEMBER,
    "Their gallery": Need.MEMBER,
    "Report picture": Need.MEMBER,
    "Who made this?": Need.MODERATOR,
}

# A control or form by its Action.
PRESSES: Final[Mapping[str, Need]] = {
    "cancel": Need.REQUESTER,
    "cancel_listed": Need.REQUESTER,
    "look": Need.MEMBER,
    "reroll": Need.MEMBER,
    "download": Need.MEMBER,
    "delete": Need.REQUESTER,
    "delete_confirmed": Need.REQUESTER,
    "vary": Need.MEMBER,
    "enlarge": Need.MEMBER,
    "save": Need.MEMBER,
    "favourite": Need.MEMBER,
    "draw_variants": Need.MEMBER,
    "forget_variants": Need.MEMBER,
    "remix": Need.MEMBER,
    "turn": Need.MEMBER,
    "look_back": Need.MEMBER,
    "settings": Need.ADMIN,
    "settings_changes": Need.ADMIN,
    "settings_set": Need.ADMIN,
    "settings_choose": Need.ADMIN,
    "settings_form": Need.ADMIN,
    "settings_submit": Need.ADMIN,
    "erase": Need.MEMBER,
    "log": Need.MODERATOR,
    "sweep_run": Need.MODERATOR,
    "sweep_stop": Need.MODERATOR,
    "appeal": Need.MEMBER,
    "appeal_submit": Need.MEMBER,
    "appeal_uphold": Need.MODERATOR,
    "appeal_lift": Need.MODERATOR,
    "case": Need.MODERATOR,
    "report": Need.MEMBER,
    "report_send": Need.MEMBER,
}


def level_of(
    *, is_admin: bool, may_moderate: bool, role_ids: Collection[int] = (), moderator_roles: Collection[int] = ()
) -> Level:
    """is_admin, may_moderate: whether Discord grants Manage Server, and Moderate Members. role_ids: somebody's."""
    if is_admin:
        return Level.ADMIN
    return Level.MODERATOR if may_moderate or not set(role_ids).isdisjoint(moderator_roles) else Level.MEMBER


def check(need: Need, level: Level, *, is_requester: bool = False) -> None:
    """Raises MissingPermissionError unless somebody of this level may. is_requester: asked for the job in question."""
    match need:
        case Need.MEMBER:
            return
        case Need.REQUESTER if is_requester or level >= Level.MODERATOR:
            return
        case Need.REQUESTER:
            raise MissingPermissionError("Only whoever asked for it can do this, or a moderator.")
        case Need.MODERATOR if level < Level.MODERATOR:
            raise MissingPermissionError(
                "Only moderators can do this: members with the permission “Timeout Members” or one of the roles that "
                "/settings names."
            )
        case Need.ADMIN if level < Level.ADMIN:
            raise MissingPermissionError("Only members with the permission “Manage Server” can do this.")


def check_switching(category: Category, action: RuleAction | None, level: Level) -> None:
    """Raises MissingPermissionError where somebody of this level may not give a category of the starter list that
    action; None switches it off."""
    is_weak = action is None or action.severity < RuleAction.REFUSE.severity
    if category is Category.MINORS and is_weak and level < Level.ADMIN:
        raise MissingPermissionError(
            "Only members with the permission “Manage Server” can let pass what comes under “sexual content with "
            "minors”. Moderators can choose refuse or strike."
        )
