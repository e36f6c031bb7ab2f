"""/mod rules and /mod test-prompt as moderators meet them: the real client in a sandbox."""

from pathlib import Path

import pytest

from bot.sandbox import Event, LineError
from bot.store import AuditAction, AuditFilter
from tests.conftest import OpenStage, Stage

OWN = "Your prompt is against the rules of this server. Describe something else."
REFUSED = "Your prompt comes under “{}”, which is not allowed here. Describe something else."


async def last(stage: Stage, line: str) -> Event:
    """The answer to a line, perhaps after “is thinking”, for its player alone."""
    event = (await stage.play(line))[-1]
    assert event.is_ephemeral
    return event


async def test_rules_are_added_tested_listed_and_removed(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as moderator")
        assert (await last(stage, "/mod rules list")).text.startswith("This server has no rules of its own.")
        added = await last(stage, "/mod rules add rule:  naked   people action:refuse")
        assert added.text == "refuse: naked people. This server has 1 rule now."
        assert (await last(stage, "/mod rules add rule:/a{2,}/ action:warn")).text.endswith("has 2 rules now.")
        tested = await last(stage, "/mod test-prompt prompt:n4ked people negative:aaa")
        assert tested.text.splitlines() == [
            "This would be refused.",
            "- prompt, from 1 to 12: n4ked people",
            "  refuse: naked people (rules of this server)",
            "  The spelling differs by signs or digits for letters.",
            "- negative, from 1 to 3: aaa",
            "  warn: /a{2,}/ (rules of this server)",
        ]
        assert (await last(stage, "/mod rules list")).text.splitlines() == [
            "2 rules of this server:",
            "- warn: /a{2,}/",
            "- refuse: naked people",
        ]
        assert (await last(stage, "/imagine prompt:naked people")).text == OWN
        assert (await stage.answer("type /mod rules remove rule:nak")).text == "naked people"
        assert (await last(stage, "/mod rules remove rule:naked people")).text == "Removed: naked people"
        assert (await last(stage, "/mod rules remove rule:naked people")).text.startswith("There is no such rule")
        assert (await stage.play("/imagine prompt:naked people images:1"))[-1].files
        guild_id = stage.app.bot.guilds[0].id
        entries = await stage.app.store.audit.page(AuditFilter(guild_id=guild_id), 10)
    assert [entry.action for entry in reversed(entries)] == [
        AuditAction.RULE_ADDED,
        AuditAction.RULE_ADDED,
        AuditAction.PROMPT_REFUSED,
        AuditAction.RULE_REMOVED,
    ]
    assert entries[1].reason == "refuse: naked people"
    assert "people" not in str(entries[1].details.get("prompts"))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/mod rules add rule:/(/ action:warn", "RE2 refuses this pattern: missing ): (."),
        ("/mod rules add rule:x action:warn", "A rule needs at least 2 letters or digits."),
        ("/mod rules categories category:drugs", "Say both the category and its action"),
    ],
)
async def test_what_is_refused(open_stage: OpenStage, line: str, sentence: str) -> None:
    async with open_stage() as stage:
        await stage.play("as moderator")
        assert (await last(stage, line)).text.startswith(sentence)


async def test_members_are_not_offered_the_rules(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        with pytest.raises(LineError, match="doesn't see /mod"):
            await stage.play("/mod rules list")


async def test_files(open_stage: OpenStage, tmp_path: Path) -> None:
    file = tmp_path / "rules.txt"
    async with open_stage() as stage:
        await stage.play("as moderator")
        await stage.play("/mod rules add rule:red action:warn")
        file.write_text("refuse: naked\nrefuze: x\nwarn: /(/\n", encoding="utf-8")
        refused = await last(stage, f"/mod rules import file:{file}")
        assert refused.text.splitlines() == [
            "Nothing was imported: 2 lines are malformed.",
            "- Line 2: There is no action refuze; there are allow, warn, hold, refuse, strike.",
            "- Line 3: RE2 refuses this pattern: missing ): (.",
        ]
        file.write_text("# mine\nrefuse: naked\nallow: naked mole rat\n", encoding="utf-8")
        taken = await last(stage, f"/mod rules import file:{file}")
        assert taken.text.startswith("Imported 2 rules. New: 2, with another action: 0, as before: 0.")
        replaced = await last(stage, f"/mod rules import file:{file} replace:true")
        assert replaced.text.endswith("as before: 2. This server has 2 rules now.")
        exported = await last(stage, "/mod rules export")
        assert exported.text == "2 rules of this server:"
        (name,) = exported.files
        text = (tmp_path / "out" / name).read_text(encoding="utf-8")
        assert text.splitlines()[-2:] == ["refuse: naked", "allow: naked mole rat"]
        file.write_text(text.replace("refuse: naked", "strike: naked"), encoding="utf-8")
        await stage.play(f"/mod rules import file:{file}")
        assert "strike: naked" in (await last(stage, "/mod rules list")).text
        file.write_bytes(b"\xff")
        assert (await last(stage, f"/mod rules import file:{file}")).text.startswith("The file is not UTF-8 text")
        file.write_text("# nothing\n", encoding="utf-8")
        assert (await last(stage, f"/mod rules import file:{file}")).text == "The file has no rules."
        file.write_bytes(b"x" * (2**20 + 1))
        assert (await last(stage, f"/mod rules import file:{file}")).text.startswith("The file has 1,048,577 bytes")


async def test_categories_are_switched(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as moderator")
        shown = (await last(stage, "/mod rules categories")).text
        assert "- sexual content with minors: refuse (" in shown
        assert "- gore and cruelty: off (" in shown
        shown = (await last(stage, "/mod rules categories category:gore and cruelty action:refuse")).text
        assert "- gore and cruelty: refuse (" in shown
        assert (await last(stage, "/imagine prompt:a c0rpse")).text == REFUSED.format("gore and cruelty")
        await stage.play("/mod rules categories category:gore and cruelty action:off")
        assert (await stage.play("/imagine prompt:a corpse images:1"))[-1].files


async def test_automod(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as owner")
        await stage.play("automod naked, *blood*, x, /^a+b/, -blood orange")
        await stage.play("/mod rules add rule:naked action:warn")
        closed = await last(stage, "/mod rules import-automod action:refuse")
        assert closed.text.startswith("Discord shows AutoMod's keywords only to whoever has “Manage Server”")
        await stage.play("give Moderator to dalle-bot")
        taken = await last(stage, "/mod rules import-automod action:refuse")
        assert taken.text.splitlines() == [
            "Imported 4 rules. New: 3, with another action: 1, as before: 0. This server has 4 rules now.",
            "- naked: warn → refuse",
            "These could not be taken over:",
            "- x: A rule needs at least 2 letters or digits.",
        ]
        assert (await last(stage, "/mod test-prompt prompt:a bloodbath")).text.startswith("This would be refused.")
        again = await last(stage, "/mod rules import-automod action:warn")
        assert again.text.splitlines()[:2] == [
            "Imported 1 rule. New: 0, with another action: 0, as before: 1. This server has 4 rules now. "
            "3 rules here are stricter and stay.",
            "- naked stays: refuse",
        ]
        tested = await last(stage, "/mod test-prompt prompt:a blood orange")
        assert tested.text.startswith("This would be drawn.")


async def test_no_automod(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as owner")
        await stage.play("give Moderator to dalle-bot")
        none = await last(stage, "/mod rules import-automod action:hold")
        assert none.text == "AutoMod has no keywords here that could be taken over."


async def test_only_admins_let_pass_what_always_counts(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as warden")
        category = "/mod rules categories category:sexual content with minors action:"
        for action in ("off", "warn", "hold"):
            refused = (await last(stage, f"{category}{action}")).text
            assert refused.startswith("Only members with the permission “Manage Server” can let pass")
        assert "minors: strike (" in (await last(stage, f"{category}strike")).text
        assert (
            "cruelty: hold (" in (await last(stage, "/mod rules categories category:gore and cruelty action:hold")).text
        )
        await stage.play("as moderator")
        assert "minors: off (" in (await last(stage, f"{category}off")).text


async def test_braces_are_tested_as_they_are_drawn(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("as moderator")
        await stage.play("/mod rules add rule:naked action:warn")
        replaced = await last(stage, "/mod rules add rule:naked action:refuse")
        assert replaced.text == "refuse: naked. This server has 1 rule now.\nBefore, its action was: warn"
        tested = await last(stage, "/mod test-prompt prompt:a {na|red}{ked|x} man")
        assert tested.text.splitlines() == [
            "It stands for 4 variants. The strictest decides for all.",
            "Variant: a naked man",
            "This would be refused.",
            "- prompt, from 3 to 7: a naked man",
            "  refuse: naked (rules of this server)",
        ]
        tested = await last(stage, "/mod test-prompt prompt:a {red|blue} man")
        assert tested.text == "It stands for 2 variants. No rule fires."
