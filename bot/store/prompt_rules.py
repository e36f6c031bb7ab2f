"""The rules for prompts of each guild, and what it chose of the starter list. Used by the cogs, on the event loop.

Each change makes a new version in the same transaction, so that whoever has compiled one knows when it is old.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import InvalidParameterError
from bot.moderation.prompt_rules import MAX_PATTERNS, MAX_RULES, Category, Rule, RuleAction
from bot.store.audit import AuditAction, AuditRecord, write_audit
from bot.store.database import Database
from bot.store.schema import prompt_rules, rule_choices

OFF: Final = "off"
_PER_STATEMENT: Final = 500

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GuildRules:
    """rules: the guild's own, by text. choices: categories of the starter list that it has chosen an action for; None
    for none."""

    version: int = 0
    rules: tuple[Rule, ...] = ()
    choices: Mapping[Category, RuleAction | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of rules that a guild was given. num_rules: how many it has now. changed: text, the action before
    and the new one. kept: text and action of those that were there, stricter, and stay."""

    num_rules: int
    num_added: int = 0
    num_unchanged: int = 0
    changed: tuple[tuple[str, RuleAction, RuleAction], ...] = ()
    kept: tuple[tuple[str, RuleAction], ...] = ()


class RuleStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def version(self, guild_id: int) -> int:
        """Grows with every change; 0 where nothing was changed yet."""
        query = select(rule_choices.c.version).where(rule_choices.c.guild_id == guild_id)
        async with self._database.reading() as connection:
            return await connection.scalar(query) or 0

    async def of(self, guild_id: int) -> GuildRules:
        """Patterns are compiled on a worker thread; what this version refuses is left out, and the log says so."""
        columns = prompt_rules.c.text, prompt_rules.c.action
        query = select(*columns).where(prompt_rules.c.guild_id == guild_id).order_by(prompt_rules.c.text)
        async with self._database.reading() as connection:
            row = (
                await connection.execute(select(rule_choices).where(rule_choices.c.guild_id == guild_id))
            ).one_or_none()
            found = [(text, action) for text, action in await connection.execute(query)]
        if row is None:
            return GuildRules()
        rules = await asyncio.to_thread(_rules, guild_id, found)
        return GuildRules(row.version, rules, _choices(row.choices))

    async def put(
        self,
        guild_id: int,
        user_id: int,
        rules: Sequence[Rule],
        *,
        how: AuditAction = AuditAction.RULE_ADDED,
        is_replacing: bool = False,
        keeps_stricter: bool = False,
    ) -> Taken:
        """Adds rules, or gives those that are there their new action. is_replacing: removes all others.
        keeps_stricter: leaves those that are there with a stricter one, and makes no exceptions of them. how: for the
        audit. Raises InvalidParameterError above MAX_RULES or MAX_PATTERNS; then nothing is changed."""
        here = prompt_rules.c.guild_id == guild_id
        wanted = {rule.text: rule for rule in rules}
        async with self._database.transaction() as connection:
            known = await _actions(connection, guild_id, list(wanted))
            kept = tuple(
                (text, known[text])
                for text, rule in wanted.items()
                if keeps_stricter and text in known and known[text].severity > rule.action.severity
            )
            for text, _ in kept:
                del wanted[text]
            if is_replacing:
                await connection.execute(
                    delete(prompt_rules).where(here, prompt_rules.c.text.not_in([text for text, _ in kept]))
                )
            await _write(connection, guild_id, user_id, list(wanted.values()))
            count = await connection.scalar(select(func.count()).select_from(prompt_rules).where(here)) or 0
            if count > MAX_RULES:
                raise InvalidParameterError(
                    "This server would have {count:,} rules, and at most {limit:,} fit: remove some first.",
                    count=count,
                    limit=MAX_RULES,
                )
            patterned = select(func.count()).select_from(prompt_rules).where(here, prompt_rules.c.text.startswith("/"))
            if (patterns := await connection.scalar(patterned) or 0) > MAX_PATTERNS:
                raise InvalidParameterError(
                    "This server would have {count:,} patterns, and at most {limit:,} fit: remove some first.",
                    count=patterns,
                    limit=MAX_PATTERNS,
                )
            await _renew(connection, guild_id)
            changed = tuple(
                (text, known[text], rule.action)
                for text, rule in wanted.items()
                if text in known and known[text] is not rule.action
            )
            taken = Taken(
                num_rules=count,
                num_added=len(wanted.keys() - known.keys()),
                num_unchanged=len(wanted.keys() & known.keys()) - len(changed),
                changed=changed,
                kept=kept,
            )
            only = f"{rules[0].action}: {rules[0].text}" if len(rules) == 1 else None
            details = {
                "num_rules": len(wanted),
                "num_added": taken.num_added,
                "num_changed": len(changed),
                "is_replacing": is_replacing,
            }
            record = AuditRecord(guild_id=guild_id, action=how, actor_id=user_id, reason=only, details=details)
            await write_audit(connection, record)
        return taken

    async def remove(self, guild_id: int, user_id: int, text: str) -> bool:
        """Whether the guild had this rule; it has it no more."""
        found = (prompt_rules.c.guild_id == guild_id) & (prompt_rules.c.text == text)
        async with self._database.transaction() as connection:
            removed = await connection.execute(delete(prompt_rules).where(found))
            if removed.rowcount:
                await _renew(connection, guild_id)
                record = AuditRecord(guild_id=guild_id, action=AuditAction.RULE_REMOVED, actor_id=user_id, reason=text)
                await write_audit(connection, record)
            return removed.rowcount == 1

    async def choose(self, guild_id: int, user_id: int, category: Category, action: RuleAction | None) -> None:
        """action: of a category of the starter list; None switches it off."""
        async with self._database.transaction() as connection:
            stored = await connection.scalar(
                select(rule_choices.c.choices).where(rule_choices.c.guild_id == guild_id).with_for_update()
            )
            chosen = OFF if action is None else action.value
            await _renew(connection, guild_id, choices={**(stored or {}), category.value: chosen})
            record = AuditRecord(
                guild_id=guild_id,
                action=AuditAction.CATEGORY_CHANGED,
                actor_id=user_id,
                reason=f"{category}: {chosen}",
            )
            await write_audit(connection, record)


async def _actions(connection: AsyncConnection, guild_id: int, texts: Sequence[str]) -> dict[str, RuleAction]:
    """Of those of a guild's rules that have these texts; a damaged one counts as the strictest, since nobody knows."""
    found: dict[str, RuleAction] = {}
    known = set(RuleAction)
    for first in range(0, len(texts), _PER_STATEMENT):
        query = select(prompt_rules.c.text, prompt_rules.c.action).where(
            prompt_rules.c.guild_id == guild_id, prompt_rules.c.text.in_(texts[first : first + _PER_STATEMENT])
        )
        found |= {
            text: RuleAction(action) if action in known else RuleAction.STRIKE
            for text, action in await connection.execute(query)
        }
    return found


async def _write(connection: AsyncConnection, guild_id: int, user_id: int, rules: Sequence[Rule]) -> None:
    """rules: each text once."""
    for first in range(0, len(rules), _PER_STATEMENT):
        part = rules[first : first + _PER_STATEMENT]
        texts = [rule.text for rule in part]
        await connection.execute(
            delete(prompt_rules).where(prompt_rules.c.guild_id == guild_id, prompt_rules.c.text.in_(texts))
        )
        values = [
            {
                "guild_id": guild_id,
                "text": rule.text,
                "action": rule.action.value,
                "created_by": user_id,
                "created_at": datetime.now(UTC),
            }
            for rule in part
        ]
        await connection.execute(insert(prompt_rules), values)


async def _renew(connection: AsyncConnection, guild_id: int, **values: Any) -> None:
    here = rule_choices.c.guild_id == guild_id
    newer = await connection.execute(
        update(rule_choices).where(here).values(version=rule_choices.c.version + 1, **values)
    )
    if not newer.rowcount:
        await connection.execute(
            insert(rule_choices).values({"guild_id": guild_id, "version": 1, "choices": {}} | values)
        )


def _rules(guild_id: int, stored: Iterable[tuple[str, str]]) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    for text, action in stored:
        try:
            rules.append(Rule(text, RuleAction(action)))
        except (InvalidParameterError, ValueError) as error:
            _log.warning("guild %d: the stored rule %r can't be used: %s", guild_id, text, error)
    return tuple(rules)


def _choices(stored: Mapping[str, str]) -> dict[Category, RuleAction | None]:
    """Without what this version doesn't know."""
    known, actions = set(Category), set(RuleAction)
    return {
        Category(name): None if action == OFF else RuleAction(action)
        for name, action in stored.items()
        if name in known and (action == OFF or action in actions)
    }
