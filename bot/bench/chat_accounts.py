"""Judges what became of every command of `bench chat`, by nothing but what the stand-in saw. Pure.

A job is delivered when its message shows finished pictures, told failed when its message says something final instead,
and lost otherwise: the message still promises pictures, or is gone. Pictures count as this job's only if prompt, seed,
requester, number of images, parameters, alternative text, controls, file name and the metadata inside the file all
agree with the command; whatever does not is named in `wrong`.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.bench.chat_record import ChatRecord, Seen, SeenFile, Sent
from bot.cogs.delivery import EDIT_INTERVAL_S
from bot.message_text import escape

_MENTION: Final = re.compile(r"<@(\d+)>")
_SEED: Final = re.compile(r"\bseed (\d+)\b")
_NUM_IMAGES: Final = re.compile(r"^(\d+) images? for ", re.MULTILINE)
_PARAMETERS: Final = ("condition_scale", "top_k", "top_p", "temperature")


ExpectedPixels = Callable[[str, int, int], str]
"""What the collage of a prompt, a seed and a number of images must look like, as SeenFile has it."""


class Outcome(StrEnum):
    """REFUSED: answered, and there is no job. UNANSWERED: not within Discord's 3 seconds."""

    DELIVERED = "delivered"
    FAILED = "failed"
    LOST = "lost"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class Account:
    """What became of one command. wrong: what does not fit, a sentence each. delivered_s: from command to pictures.

    is_doubled: finished pictures on two messages, or different ones on the same. num_edits: of its message, the one
    that brought the result included. num_hasty_edits: those that came too soon after the one before, or after the
    answer; the result may come at any time.
    """

    sent: Sent
    outcome: Outcome
    wrong: tuple[str, ...] = ()
    is_doubled: bool = False
    delivered_s: float | None = None
    num_edits: int = 0
    num_hasty_edits: int = 0


def judge(record: ChatRecord, expected: ExpectedPixels | None = None) -> list[Account]:
    """An account of every command, in the order of sending. expected: where an engine drew whose pictures are known."""
    by_interaction: dict[str, list[Seen]] = defaultdict(list)
    by_job: dict[str, list[Seen]] = defaultdict(list)
    for seen in record.seen:
        if seen.interaction_id is not None:
            by_interaction[seen.interaction_id].append(seen)
        if seen.result is not None and seen.result.job_id is not None:
            by_job[seen.result.job_id].append(seen)
    return [_account(sent, by_interaction[sent.interaction_id], by_job, expected) for sent in record.sent]


def strays(record: ChatRecord) -> list[str]:
    """Finished pictures on messages that answer none of the commands, a sentence each."""
    known = {sent.interaction_id for sent in record.sent}
    return [
        f"message {seen.message_id} shows {seen.result.filename} and answers no command"
        for seen in record.seen
        if seen.result is not None and seen.interaction_id not in known
    ]


def _account(
    sent: Sent, states: Sequence[Seen], by_job: Mapping[str, Sequence[Seen]], expected: ExpectedPixels | None
) -> Account:
    if sent.answered_s is None:
        return Account(sent, Outcome.UNANSWERED)
    if sent.refusal is not None:
        return Account(sent, Outcome.REFUSED)
    messages: dict[str, list[Seen]] = defaultdict(list)
    for state in states:
        messages[state.message_id].append(state)
    results = [state for state in states if state.result is not None]
    # What shows this job's pictures, by its id, on whatever message.
    job_ids = {job_id for state in states[:1] for job_id in state.job_ids}
    everywhere = [*results, *(seen for job_id in job_ids for seen in by_job.get(job_id, ()))]
    last = [history[-1] for history in messages.values()]
    first_message = states[0].message_id if states else None
    edits = messages[first_message][1:] if first_message is not None else []
    times = [states[0].at_s, *(edit.at_s for edit in edits)] if states else []
    return Account(
        sent,
        _outcome(last),
        wrong=tuple(
            dict.fromkeys(problem for state in results for problem in _problems(sent, state, job_ids, expected))
        ),
        is_doubled=_is_doubled(everywhere),
        delivered_s=results[0].at_s - sent.sent_s if results else None,
        num_edits=len(edits),
        num_hasty_edits=sum(
            later - earlier < EDIT_INTERVAL_S and edit.is_at_work
            for earlier, later, edit in zip(times, times[1:], edits, strict=False)
        ),
    )


def _outcome(last: Sequence[Seen]) -> Outcome:
    """last: of each message of the command, how it was in the end."""
    kept = [state for state in last if not state.is_deleted]
    if any(state.result is not None for state in kept):
        return Outcome.DELIVERED
    if kept and not any(state.is_at_work for state in kept):
        return Outcome.FAILED
    return Outcome.LOST


def _is_doubled(results: Sequence[Seen]) -> bool:
    """An edit that shows the same pictures once more, to be sure, changes nothing for anybody."""
    shown = {(state.message_id, state.result.digest or state.result.filename) for state in results if state.result}
    return len(shown) > 1


def _problems(sent: Sent, state: Seen, job_ids: set[str], expected: ExpectedPixels | None) -> Iterator[str]:
    file = state.result
    assert file is not None
    where = f"message {state.message_id} for {sent.prompt!r}"
    if state.channel_id != sent.channel_id:
        yield f"{where} is in channel {state.channel_id}, not {sent.channel_id}"
    if f"**{escape(sent.prompt)}**" not in state.content:
        yield f"{where} names another prompt: {state.content.splitlines()[0] if state.content else 'none'}"
    if _MENTION.findall(state.content)[:1] != [sent.user_id]:
        yield f"{where} is not for user {sent.user_id}"
    if _NUM_IMAGES.findall(state.content) != [sent.options["images"]]:
        yield f"{where} does not show {sent.options['images']} images"
    (*_, seed) = ("", *_SEED.findall(state.content))
    if seed != sent.options.get("seed", seed) or not seed:
        yield f"{where} has seed {seed or 'none'}, not {sent.options.get('seed', 'one')}"
    if not file.description.endswith(sent.prompt):
        yield f"{where} has the alternative text {file.description!r}"
    if (state.job_ids | {file.job_id}) - job_ids:
        yield f"{where} is about another job: {file.filename}"
    yield from _problems_inside(sent, file, seed, where)
    if expected is not None and seed and file.pixels != expected(sent.prompt, int(seed), int(sent.options["images"])):
        yield f"{where} shows other pictures than its prompt's"


def _problems_inside(sent: Sent, file: SeenFile, seed: str, where: str) -> Iterator[str]:
    """Of what the picture itself says."""
    if file.metadata is None:
        yield f"{where} has a picture that could not be read: {file.filename}"
        return
    expected = {"prompt": sent.prompt, "seed": seed, "job": file.job_id}
    if "negative" in sent.options:
        expected["negative_prompt"] = sent.options["negative"]
    for key, value in expected.items():
        if file.metadata.get(key) != value:
            yield f"{where} has a picture whose {key} is {file.metadata.get(key)!r}, not {value!r}"
    told = file.metadata.get("parameters", "").split(" · ")
    asked = {"images": sent.options["images"]} | {
        name: f"{float(sent.options[name]):g}" for name in _PARAMETERS if name in sent.options
    }
    for name, text in asked.items():
        if f"{name} {text}" not in told:
            yield f"{where} has a picture made with {' · '.join(told)}, not {name} {text}"
