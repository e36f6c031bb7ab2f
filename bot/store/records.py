"""What goes into the store and what comes out. Field names are column names; a test compares them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.requests import new_job_id
from bot.store.states import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What was asked, by whom and where. Ids are Discord's.

    condition_scale, top_k, top_p, temperature, model: None for the default, which the job's result names once drawn.
    negative_prompt: None for the model's unconditional prompt. guild_id: None in a direct message.
    interaction_id: unique, so one interaction can't become two jobs, even if two bots run with the same token.
    locale: the user's language as Discord names it ("en-US").
    """

    id: str = field(default_factory=new_job_id)
    prompt: str
    negative_prompt: str | None = None
    num_images: int
    seed: int
    condition_scale: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    temperature: float | None = None
    model: str | None = None
    user_id: int
    guild_id: int | None = None
    channel_id: int
    interaction_id: int
    locale: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord(NewJob):
    """A stored job: what was asked and what became of it.

    message_id: the message that shows the job; None before `acknowledged`. created_at, updated_at: aware, in UTC.
    error: a sentence for the user, if it failed. result: what was drawn, as JSON (order, scores, seconds, sampling).
    """

    state: JobState
    message_id: int | None
    created_at: datetime
    updated_at: datetime
    error: str | None
    result: dict[str, Any] | None
