"""Which rules count where, and that each version is compiled once."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.cogs import rule_book
from bot.cogs.rule_book import MAX_SETS, RuleBook
from bot.errors import NotReadyError
from bot.moderation.prompt_rules import Category, Rule, RuleAction, RuleSet
from bot.store import Store
from tests.store.samples import url_of

GUILD = 7
REFUSE, WARN, ALLOW = RuleAction.REFUSE, RuleAction.WARN, RuleAction.ALLOW


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(url_of(tmp_path)) as opened:
        yield opened


async def action(book: RuleBook, prompt: str, guild_id: int | None = GUILD) -> RuleAction:
    return (await book.rule_set(guild_id)).check(prompt).action


async def test_three_lists_count_together(store: Store) -> None:
    book = RuleBook(store.rules, [Rule("green", REFUSE, Category.BOT)])
    await store.rules.put(GUILD, 1, [Rule("red", WARN), Rule("green tea", ALLOW)])
    assert await action(book, "red") is WARN
    assert await action(book, "red", None) is ALLOW
    assert await action(book, "green tea") is await action(book, "green", None) is REFUSE
    assert await action(book, "child porn") is await action(book, "child porn", None) is REFUSE
    assert await action(book, "a corpse") is ALLOW
    await store.rules.choose(GUILD, 1, Category.GORE, WARN)
    await store.rules.choose(GUILD, 1, Category.MINORS, None)
    assert await action(book, "a corpse") is WARN
    assert await action(book, "child porn") is ALLOW
    assert await action(book, "child porn", GUILD + 1) is REFUSE


async def test_a_version_is_compiled_once(store: Store) -> None:
    book = RuleBook(store.rules)
    first, second = await asyncio.gather(book.rule_set(GUILD), book.rule_set(GUILD))
    assert first is second
    await store.rules.put(GUILD, 1, [Rule("red", WARN)])
    assert await book.rule_set(GUILD) is not first
    for number in range(MAX_SETS + 5):
        await book.rule_set(GUILD + number)
    assert len(book._sets) == MAX_SETS


async def test_what_takes_too_long_is_ready_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on = threading.Event()
    made = rule_book._rule_set

    def slow(*arguments: object) -> RuleSet:
        assert may_go_on.wait(20)
        return made(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rule_book, "_rule_set", slow)
    monkeypatch.setattr(rule_book, "READ_TIMEOUT_S", 0.05)
    book = RuleBook(store.rules)
    with pytest.raises(NotReadyError, match="still being read"):
        await book.rule_set(None)
    may_go_on.set()
    monkeypatch.setattr(rule_book, "READ_TIMEOUT_S", 20.0)
    assert (await book.rule_set(None)).num_rules > 0


async def test_a_failure_is_not_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> RuleSet:
        raise ValueError("broken")

    book = RuleBook(store.rules)
    with monkeypatch.context() as patched:
        patched.setattr(rule_book, "_rule_set", broken)
        with pytest.raises(ValueError, match="broken"):
            await book.rule_set(None)
    assert (await book.rule_set(None)).num_rules > 0
