"""Styles: texts that a guild's members may add to a prompt by a name. Used by the cogs, on the event loop."""

import unicodedata
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import delete, func, insert, literal, select

from bot.errors import InvalidParameterError, InvalidPromptError
from bot.language import Text
from bot.requests import check_prompt
from bot.store.audit import AuditAction, AuditRecord, write_audit
from bot.store.database import Database
from bot.store.schema import styles

MAX_STYLES: Final = 50
MAX_NAME_CHARACTERS: Final = 32
MAX_TEXT_CHARACTERS: Final = 500  # leaves room for the prompt itself
PLACEHOLDER: Final = "{prompt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Validates itself: raises InvalidParameterError for the name, InvalidPromptError for the texts.

    name: made lower case; letters, digits, spaces, - and _. prompt: with PLACEHOLDER where the prompt goes, or without.
    negative: the negative prompt that comes with it. created_by: the user's id.
    """

    name: str
    prompt: str
    negative: str | None = None
    created_by: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", style_name(self.name))
        object.__setattr__(self, "prompt", _check_text(self.prompt, Text("The style's text")))
        if self.negative is not None:
            object.__setattr__(self, "negative", _check_text(self.negative, Text("The style's negative prompt")))

    def on(self, prompt: str) -> str:
        """The prompt in this style; after a comma where the style has no place for it."""
        return self.prompt.replace(PLACEHOLDER, prompt) if PLACEHOLDER in self.prompt else f"{prompt}, {self.prompt}"


def style_name(text: str) -> str:
    """`text` as the name of a style is kept. Raises InvalidParameterError if it can't be one."""
    name = unicodedata.normalize("NFC", " ".join(text.split())).lower()
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise InvalidParameterError(
            "The style's name has {count} characters; expected 1 to {limit}.",
            count=len(name),
            limit=MAX_NAME_CHARACTERS,
        )
    if not all(c in " -_" or unicodedata.category(c)[0] in "LMN" for c in name):
        raise InvalidParameterError("The style's name may hold letters, digits, spaces, - and _ only.")
    return name


def _check_text(text: str, name: Text) -> str:
    text = check_prompt(text, name)
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InvalidPromptError(
            "{name} has {count} characters; at most {limit} are allowed. Shorten it.",
            name=name,
            count=len(text),
            limit=MAX_TEXT_CHARACTERS,
        )
    return text


class StyleStore:
    """Every method may raise StoreError. What a method returned is committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, guild_id: int, style: Style) -> None:
        """Raises InvalidParameterError if the guild has a style of this name, or MAX_STYLES. The audit gets its record
        with it."""
        values = asdict(style) | {"guild_id": guild_id}
        here = styles.c.guild_id == guild_id
        num_styles = select(func.count()).select_from(styles).where(here).scalar_subquery()
        same_name = select(styles.c.name).where(here, styles.c.name == style.name).exists()
        row = select(*(literal(value, styles.c[name].type) for name, value in values.items()))
        async with self._database.transaction() as connection:
            query = row.where(num_styles < MAX_STYLES, ~same_name)
            added = await connection.execute(insert(styles).from_select(list(values), query))
            if added.rowcount:
                details = {"style": style.name, "text": style.prompt, "negative": style.negative}
                await write_audit(connection, _record(guild_id, AuditAction.STYLE_ADDED, style.created_by, details))
                return
            if await connection.scalar(select(same_name)):
                raise InvalidParameterError("There is a style {name} already: remove it first.", name=style.name)
            raise InvalidParameterError(
                "This server has {limit} styles, as many as fit: remove one first.", limit=MAX_STYLES
            )

    async def remove(self, guild_id: int, name: str, *, by: int) -> bool:
        """Whether the guild had this style; it has it no more. by: who removes it, for the audit."""
        found = (styles.c.guild_id == guild_id) & (styles.c.name == name)
        async with self._database.transaction() as connection:
            removed = await connection.execute(delete(styles).where(found))
            if removed.rowcount:
                await write_audit(connection, _record(guild_id, AuditAction.STYLE_REMOVED, by, {"style": name}))
            return removed.rowcount == 1

    async def of(self, guild_id: int) -> list[Style]:
        """The guild's styles by name, at most MAX_STYLES."""
        columns = [column for column in styles.columns if column is not styles.c.guild_id]
        query = select(*columns).where(styles.c.guild_id == guild_id).order_by(styles.c.name)
        async with self._database.reading() as connection:
            return [Style(**row._mapping) for row in await connection.execute(query)]


def _record(guild_id: int, action: AuditAction, actor_id: int, details: dict[str, Any]) -> AuditRecord:
    return AuditRecord(guild_id=guild_id, action=action, actor_id=actor_id, details=details)
