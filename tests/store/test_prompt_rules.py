"""The rules of guilds in the store: versions, replacement, limits, choices."""

import pytest
from sqlalchemy import update

from bot.errors import InvalidParameterError
from bot.moderation.prompt_rules import MAX_RULES, Category, Rule, RuleAction
from bot.store import AuditAction, AuditFilter, GuildRules, Store, Taken
from bot.store.schema import prompt_rules, rule_choices

GUILD = 7
WARN, REFUSE = RuleAction.WARN, RuleAction.REFUSE


async def test_rules_are_each_guilds_own_and_every_change_is_a_version(store: Store) -> None:
    rules = store.rules
    assert await rules.version(GUILD) == 0
    assert await rules.of(GUILD) == GuildRules()
    assert await rules.put(GUILD, 1, [Rule("naked", WARN), Rule("/a+b/", REFUSE)]) == Taken(2, 2)
    assert await rules.put(GUILD + 1, 1, [Rule("red", WARN)]) == Taken(1, 1)
    again = [Rule("naked", REFUSE), Rule("naked", WARN), Rule("naked", REFUSE)]
    assert await rules.put(GUILD, 2, again) == Taken(2, changed=(("naked", WARN, REFUSE),))
    assert await rules.of(GUILD) == GuildRules(2, (Rule("/a+b/", REFUSE), Rule("naked", REFUSE)), {})
    assert await rules.put(GUILD, 2, [Rule("blue", WARN)], is_replacing=True) == Taken(1, 1)
    assert (await rules.of(GUILD)).rules == (Rule("blue", WARN),)
    assert await rules.version(GUILD) == 3
    assert await rules.version(GUILD + 1) == 1


async def test_what_is_stricter_may_stay(store: Store) -> None:
    await store.rules.put(GUILD, 1, [Rule("naked", REFUSE), Rule("red", WARN), Rule("blue", WARN)])
    given = [Rule("naked", WARN), Rule("red", RuleAction.ALLOW), Rule("blue", REFUSE), Rule("green", WARN)]
    taken = await store.rules.put(GUILD, 1, given, keeps_stricter=True)
    assert taken == Taken(4, num_added=1, changed=(("blue", WARN, REFUSE),), kept=(("naked", REFUSE), ("red", WARN)))
    assert {rule.text: rule.action for rule in (await store.rules.of(GUILD)).rules} == {
        "naked": REFUSE,
        "red": WARN,
        "blue": REFUSE,
        "green": WARN,
    }
    assert await store.rules.put(GUILD, 1, [Rule("green", WARN)]) == Taken(4, num_unchanged=1)


async def test_removing(store: Store) -> None:
    await store.rules.put(GUILD, 1, [Rule("naked", WARN)])
    assert await store.rules.remove(GUILD, 1, "naked")
    assert not await store.rules.remove(GUILD, 1, "naked")
    assert await store.rules.of(GUILD) == GuildRules(2)


async def test_choices(store: Store) -> None:
    await store.rules.choose(GUILD, 1, Category.GORE, WARN)
    await store.rules.choose(GUILD, 1, Category.MINORS, None)
    await store.rules.choose(GUILD, 1, Category.GORE, REFUSE)
    assert await store.rules.of(GUILD) == GuildRules(3, (), {Category.GORE: REFUSE, Category.MINORS: None})


async def test_a_full_guild_takes_no_more_and_keeps_what_it_has(store: Store) -> None:
    many = [Rule(f"word{number}", WARN) for number in range(MAX_RULES)]
    assert await store.rules.put(GUILD, 1, many) == Taken(MAX_RULES, MAX_RULES)
    with pytest.raises(InvalidParameterError, match="would have 10,001 rules, and at most 10,000 fit"):
        await store.rules.put(GUILD, 1, [Rule("another", WARN)])
    assert await store.rules.version(GUILD) == 1
    assert len((await store.rules.of(GUILD)).rules) == MAX_RULES


async def test_patterns_are_counted_by_themselves(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.store.prompt_rules.MAX_PATTERNS", 2)
    words = [Rule("red", WARN), Rule("blue", WARN), Rule("green", WARN)]
    assert await store.rules.put(GUILD, 1, [*words, Rule("/xa/", WARN), Rule("/xb/", WARN)]) == Taken(5, 5)
    assert await store.rules.put(GUILD, 1, [Rule("/xa/", REFUSE)]) == Taken(5, changed=(("/xa/", WARN, REFUSE),))
    with pytest.raises(InvalidParameterError, match="would have 3 patterns, and at most 2 fit"):
        await store.rules.put(GUILD, 1, [Rule("/xc/", WARN)])
    assert await store.rules.put(GUILD + 1, 1, [Rule("/xc/", WARN)]) == Taken(1, 1)


async def test_what_is_damaged_is_left_out_and_logged(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    await store.rules.put(GUILD, 1, [Rule("naked", WARN), Rule("red", WARN), Rule("blue", WARN)])
    async with store.rules._database.transaction() as connection:
        await connection.execute(update(prompt_rules).where(prompt_rules.c.text == "red").values(text="/(/"))
        await connection.execute(update(prompt_rules).where(prompt_rules.c.text == "blue").values(action="burn"))
        await connection.execute(update(rule_choices).values(choices={"gore": "burn", "x": "warn", "hate": "warn"}))
    assert await store.rules.of(GUILD) == GuildRules(1, (Rule("naked", WARN),), {Category.HATE: WARN})
    assert "the stored rule '/(/' can't be used: RE2 refuses this pattern: missing ): (." in caplog.text
    assert "the stored rule 'blue' can't be used" in caplog.text


async def test_every_change_is_audited(store: Store) -> None:
    await store.rules.put(GUILD, 1, [Rule("naked", WARN)])
    await store.rules.put(GUILD, 2, [Rule("red", WARN), Rule("blue", WARN)], how=AuditAction.RULES_IMPORTED)
    await store.rules.remove(GUILD, 3, "naked")
    await store.rules.remove(GUILD, 3, "naked")
    await store.rules.choose(GUILD, 4, Category.GORE, None)
    entries = await store.audit.page(AuditFilter(guild_id=GUILD), 10)
    assert [(entry.action, entry.actor_id, entry.reason) for entry in reversed(entries)] == [
        (AuditAction.RULE_ADDED, 1, "warn: naked"),
        (AuditAction.RULES_IMPORTED, 2, None),
        (AuditAction.RULE_REMOVED, 3, "naked"),
        (AuditAction.CATEGORY_CHANGED, 4, "gore: off"),
    ]
