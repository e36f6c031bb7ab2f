"""What goes into the store and what comes out. Field names are column names; a test compares them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bot.requests import new_job_id
from bot.store.states import JobState

JobKind = Literal["imagine", "reroll", "vary", "again", "remix"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What was asked, by whom and where. Ids are Discord's.

    condition_scale, top_k, top_p, temperature: None for the default, which the job's result names once drawn. model:
    the one whose codes image_tokens are; None for whichever is loaded.
    negative_prompt: None for the model's unconditional prompt. guild_id: None in a direct message.
    interaction_id, interaction_part: unique together, so one interaction can't become the same job twice, even if two
    bots run with the same token. Parts are numbered from 0, for an interaction that asks for several jobs.
    locale: the user's language as Discord names it ("en-US"). kind: how it was asked for. parent_id, parent_rank: the
    job, and which of its pictures, that this one comes from; it may have been deleted since. image_tokens: what every
    picture starts with. is_private: its result is for the requester alone. is_short_lived: only
    its interaction's token can edit its message. weight: as in GenerationRequest. is_trusted: nothing of its user's is
    held. answer_token: of its interaction, by which a restart finds the answer; forgotten with the first move.
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
    interaction_part: int = 0
    locale: str | None = None
    kind: JobKind = "imagine"
    parent_id: str | None = None
    parent_rank: int | None = None
    image_tokens: tuple[int, ...] = ()
    is_private: bool = False
    is_short_lived: bool = False
    weight: float = 1.0
    is_trusted: bool = False
    answer_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord(NewJob):
    """A stored job: what was asked and what became of it.

    message_id: the message that shows the job; None before `acknowledged`. created_at, updated_at: aware, in UTC.
    error: a sentence for the user, if it failed. result: what was drawn, as JSON (order, scores, seconds, sampling).
    deleted_at: when its result was deleted, aware, in UTC. is_spoiler: its pictures are shown behind a click.
    hidden_at: since when they are hidden, as members have reported them; aware, in UTC.
    """

    state: JobState
    message_id: int | None
    created_at: datetime
    updated_at: datetime
    error: str | None
    result: dict[str, Any] | None
    deleted_at: datetime | None
    is_spoiler: bool = False
    hidden_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobOutline:
    """Which job, and how far."""

    id: str
    state: JobState


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredImage:
    """One picture of a job, without its pixels.

    rank: 1 is the best. index: which image of the job's seed it is. score: CLIP's, for the prompt. model: what drew
    and ranked it; to another one, tokens and vector mean something else. tokens: int32 [image_length]. vector: float32
    [projection_dim], CLIP's, of unit length; kept as float16.
    """

    rank: int
    index: int
    score: float
    model: str
    tokens: npt.NDArray[np.int32]
    vector: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Favourite:
    """A picture that somebody wants to find again. id: grows with time, for paging. created_at: aware, in UTC."""

    id: int
    user_id: int
    job_id: str
    rank: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChange:
    """One key of a guild's settings that somebody changed. old, new: as JSON. changed_at: aware, in UTC."""

    guild_id: int
    user_id: int
    key: str
    old: Any
    new: Any
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one user has asked of a guild since some time; failed jobs don't count.

    last_asked_at: None for not at all. num_unfinished: jobs that wait or are being drawn, however old. images: when,
    and how many pictures, of each job that was or will be drawn.
    """

    last_asked_at: datetime | None = None
    num_unfinished: int = 0
    images: tuple[tuple[datetime, int], ...] = ()
