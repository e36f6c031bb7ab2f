"""The panel, its changes and its forms within Discord's limits, in every language."""

from datetime import UTC, datetime, time
from typing import Any

import discord
import pytest

from bot.catalogues import Languages
from bot.guild_settings import MAX_LISTED, GuildSettings, QuietHours, json_of
from bot.language import ENGLISH, Language, Text
from bot.role_limits import RoleLimits
from bot.sanction_ladder import SanctionKind, Step
from bot.sandbox import rules
from bot.store import SettingChange
from bot.views.moderation_panel import moderation_view
from bot.views.settings_forms import FORMS, form_modal
from bot.views.settings_panel import MAX_CHANGES, changes_view, panel_view

LANGUAGES = Languages.load().all()
MAX_TEXT_CHARACTERS = 4000
IDS = tuple(range(2**62, 2**62 + MAX_LISTED))
ALL = GuildSettings(
    allowed_channels=IDS,
    allowed_roles=IDS,
    default_images=9,
    default_condition_scale=12.3456789,
    default_top_k=65535,
    default_top_p=0.123456,
    max_top_p=0.987654,
    default_temperature=1.234567,
    max_temperature=2.345678,
    max_jobs_per_user=100_000,
    cooldown_s=86_399,
    daily_images=100_000,
    result_format="webp",
    language="de",
    quiet_hours=QuietHours(time(22), time(7, 30), "America/Argentina/ComodRivadavia"),
    is_paused=True,
    previews=False,
    retention_days=3650,
    reports_to_hide=100,
    moderator_roles=IDS,
    trusted_roles=IDS,
    review_channel=IDS[0],
    log_channel=IDS[1],
    ladder=(Step(SanctionKind.BAN, 366 * 86400 - 60),) * 8,
    strike_days=366,
    guild_max_jobs=100_000,
    guild_daily_images=1_000_000,
    role_limits=tuple(RoleLimits(role_id=id_) for id_ in IDS),
    min_account_h=8784,
    min_member_h=8783,
)


def check(view: discord.ui.LayoutView) -> None:
    components: Any = view.to_components()  # type: ignore[no-untyped-call]
    assert rules.check_components(components, is_v2=True) == []
    texts = [item.content for item in view.walk_children() if isinstance(item, discord.ui.TextDisplay)]
    assert sum(map(len, texts)) <= MAX_TEXT_CHARACTERS


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
@pytest.mark.parametrize("settings", [GuildSettings(), ALL])
def test_a_panel_is_within_discords_limits(language: Language, settings: GuildSettings) -> None:
    many = [Language(f"{n}", name=f"language {n}") for n in range(40)]
    view = panel_view(settings, language, languages=many, known_ids=IDS[1:], said=Text("Changed."))
    check(view)
    check(moderation_view(settings, language, known_ids=IDS[1:], said=Text("Changed.")))


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_changes_are_within_discords_limits(language: Language) -> None:
    values = json_of(ALL) | {"of another version": {"x" * 500: 1}}
    for key, value in values.items():
        change = SettingChange(
            guild_id=1, user_id=2**62, key=key, old=value, new=value, changed_at=datetime(2026, 1, 2, tzinfo=UTC)
        )
        check(changes_view([change] * MAX_CHANGES, language, LANGUAGES))


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("settings", [GuildSettings(), ALL])
async def test_forms_are_within_discords_limits(name: str, language: Language, settings: GuildSettings) -> None:
    modal = form_modal(name, settings, language).to_dict()
    assert rules.check_modal(modal) == []
    for label in modal["components"]:
        assert len(label["label"]) <= 45
        assert len(label["component"]["placeholder"]) <= 100
        assert len(label["component"].get("value") or "") <= label["component"]["max_length"]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("settings", [GuildSettings(), ALL])
async def test_a_form_sent_back_as_it_was_changes_nothing(name: str, settings: GuildSettings) -> None:
    modal = form_modal(name, settings, ENGLISH).to_dict()
    fields = [label["component"] for label in modal["components"]]
    form = FORMS[name]
    values = form.read({field["custom_id"]: field.get("value", "") for field in fields})
    assert values == {key: getattr(settings, key) for key in form.keys}
