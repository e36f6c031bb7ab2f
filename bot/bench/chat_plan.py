"""Who asks for what, where and when in `bench chat`. Pure; planned in the stand-in's process from a ChatPlan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np

from bot.demo.scenes import evaluation_captions
from bot.requests import MAX_SEED

NUM_GUILDS: Final = 5
NUM_CHANNELS: Final = 3
MIX: Final = (1, 4, 9)
_MAX_PROMPTS: Final = 2000


@dataclass(frozen=True, slots=True)
class ChatPlan:
    """users: how many there are. seconds: how long they send. every_s: a user's mean time between two commands."""

    users: int
    seconds: float
    every_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class Order:
    """A command to come. at_s: from the start of the sending. user, guild, channel: numbers from 0.

    options: of /imagine by name, as they are typed; the prompt is not among them.
    """

    at_s: float
    user: int
    guild: int
    channel: int
    prompt: str
    options: dict[str, str]


def plan_orders(plan: ChatPlan) -> list[Order]:
    """Independent Poisson processes of all users, at least one order; `plan.seed` fixes everything.

    A user stays in one guild and writes in all its channels. No two orders have the same prompt, up to 2000 of them.
    """
    rng = np.random.default_rng(plan.seed)
    number = max(1, int(rng.poisson(plan.users * plan.seconds / plan.every_s)))
    prompts = evaluation_captions(plan.seed, min(number, _MAX_PROMPTS))
    users = rng.integers(plan.users, size=number)
    return [
        Order(
            at_s=float(at_s),
            user=int(user),
            guild=int(user) % NUM_GUILDS,
            channel=int(rng.integers(NUM_CHANNELS)),
            prompt=prompts[index % len(prompts)],
            options=_options(rng),
        )
        for index, (at_s, user) in enumerate(zip(np.sort(rng.uniform(0.0, plan.seconds, number)), users, strict=True))
    ]


def endless_orders(seed: int, users: int) -> Iterator[Order]:
    """For who sends as fast as jobs come back, at no set times; `seed` fixes everything."""
    rng = np.random.default_rng(seed)
    prompts = evaluation_captions(seed, _MAX_PROMPTS)
    for number in count():
        user = int(rng.integers(users))
        channel = int(rng.integers(NUM_CHANNELS))
        yield Order(0.0, user, user % NUM_GUILDS, channel, prompts[number % len(prompts)], _options(rng))


def warm_up_orders() -> list[Order]:
    """A job of each size, for what happens only once in a process: imports, fonts, caches."""
    captions: Sequence[str] = evaluation_captions(0, len(MIX))
    return [
        Order(0.0, user=number, guild=0, channel=0, prompt=prompt, options={"images": str(size)})
        for number, (prompt, size) in enumerate(zip(captions, MIX, strict=True))
    ]


def _options(rng: np.random.Generator) -> dict[str, str]:
    options = {"images": str(rng.choice(MIX))}
    if rng.random() < 0.5:
        options["seed"] = str(rng.integers(MAX_SEED))
    if rng.random() < 0.25:
        options["condition_scale"] = f"{rng.integers(2, 20)}"
    if rng.random() < 0.25:
        options["temperature"] = f"{rng.uniform(0.8, 1.2):.2f}"
    if rng.random() < 0.1:
        options["negative"] = "a black background"
    return options
