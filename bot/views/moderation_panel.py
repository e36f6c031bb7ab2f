"""The second page of /settings: what concerns the moderation. Pure but for discord.py."""

from collections.abc import Collection
from typing import Final

import discord

from bot.guild_settings import GuildSettings
from bot.language import Language, Text
from bot.views.custom_id import NO_JOB, Action, CustomId
from bot.views.job_control import make_button
from bot.views.setting_texts import NAMES, value_of
from bot.views.settings_panel import form_section, layout, place, places, review_defaults, row

MODERATION_KEYS: Final = frozenset(
    {
        "moderator_roles",
        "trusted_roles",
        "review_channel",
        "log_channel",
        "ladder",
        "strike_days",
        "min_account_h",
        "min_member_h",
        "reports_to_hide",
        "retention_days",
        "review_hours",
        "review_default",
    }
)
"""Those that this page shows and changes."""


def moderation_view(
    settings: GuildSettings, language: Language, *, known_ids: Collection[int], said: Text | None = None
) -> discord.ui.LayoutView:
    """known_ids, said: as in panel_view."""
    heading = f"## {language.text('Moderation of this server')}"
    return layout(
        discord.ui.TextDisplay(heading if said is None else f"{heading}\n{language.tell(said)}"),
        *places(
            "moderators",
            settings,
            language,
            known_ids,
            label=language.text("No further moderators"),
            placeholder=language.text("These roles are moderators too"),
        ),
        *places(
            "trusted",
            settings,
            language,
            known_ids,
            label=language.text("Trust nobody"),
            placeholder=language.text("Never hold the jobs of these roles"),
        ),
        *place("review", settings, language, known_ids, label=language.text("No moderators' channel")),
        *place("log", settings, language, known_ids, label=language.text("No log")),
        discord.ui.TextDisplay(
            language.text(
                "**{name}**: {value}. /mod quota changes them.",
                name=NAMES["role_limits"],
                value=value_of(settings, "role_limits"),
            )
        ),
        form_section("strikes", settings, language),
        row(review_defaults(settings, language)),
        form_section("keeping", settings, language),
        row(make_button(language.text("Back to the settings"), CustomId(Action.SETTINGS, NO_JOB))),
    )
