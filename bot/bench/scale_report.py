"""What `bench scale` found: a measured run beside the simulated one, and what a rate takes. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

TOLERANCE: Final = 0.15
# Of what a part can do at most: beyond, waits grow fast.
USABLE_SHARE: Final = 0.7
REPLICAS: Final = "replicas"

DatabaseKind = Literal["postgresql", "sqlite", "store.url"]


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure of the run on this machine, and the same of the simulation."""

    name: str
    measured: float
    simulated: float

    @property
    def error(self) -> float:
        return self.simulated / self.measured - 1.0


@dataclass(frozen=True, slots=True)
class Rates:
    """What was measured of the parts around the engines.

    loop_s_per_job: processor time of a bot's event loop. shard_s_per_interaction: of the connection to the gateway,
    without the bot. store_jobs_per_s: through all states. bytes_per_job: of the collage. uplink_mbit_per_s is not
    measured but given. database: which one it was, for people.
    """

    loop_s_per_job: float
    shard_s_per_interaction: float
    store_jobs_per_s: float
    bytes_per_job: float
    uplink_mbit_per_s: float
    database: str

    def limits(self) -> dict[str, float]:
        """Prompts a minute that one of each can take, at USABLE_SHARE."""
        return {
            "one bot process": USABLE_SHARE * 60.0 / self.loop_s_per_job,
            "gateway shards": USABLE_SHARE * 60.0 / self.shard_s_per_interaction,
            "the database": USABLE_SHARE * 60.0 * self.store_jobs_per_s,
            "upload": USABLE_SHARE * 60.0 * self.uplink_mbit_per_s * 1e6 / 8.0 / self.bytes_per_job,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What so many prompts a minute take. bottlenecks: what there is too little of, the first to fall first.

    replicas_limit_per_minute: what the replicas draw at most. p95_wait_s, p95_latency_s: None where that is less than
    what comes, as waits then grow without end.
    """

    prompts_per_minute: float
    num_replicas: int
    replicas_limit_per_minute: float
    p95_wait_s: float | None
    p95_latency_s: float | None
    device_hours_per_day: float
    bottlenecks: tuple[str, ...]

    @property
    def complaint(self) -> str | None:
        """Of replicas that can't carry this; None if they can."""
        if self.p95_wait_s is not None:
            return None
        who, draw = (
            ("1 replica", "it draws") if self.num_replicas == 1 else (f"{self.num_replicas:,} replicas", "they draw")
        )
        return (
            f"{who} can't carry {self.prompts_per_minute:,.0f} prompts a minute: {draw} "
            f"{self.replicas_limit_per_minute:,.0f} at most, and waits grow for as long as more come."
        )


@dataclass(frozen=True, slots=True)
class ScaleReport:
    """compared: of two replicas. images_per_s: of one replica. overhead_s: of a job, beside its steps.

    throughput_ratio: two replicas on Ray to two processes with nothing around them. ray_added_s: to a job alone.
    """

    model: str
    num_slots: int
    compared: Sequence[Compared]
    images_per_s: float
    overhead_s: float
    throughput_ratio: float
    ray_added_s: float
    rates: Rates
    max_wait_s: float
    answers: Sequence[Answer]

    def misses(self) -> list[str]:
        """Where the simulation is off by more than TOLERANCE, a sentence each."""
        return [
            f"{each.name}: simulated {each.simulated:.3g}, measured {each.measured:.3g}."
            for each in self.compared
            if abs(each.error) > TOLERANCE
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain dicts and numbers, for `json.dumps`."""
        return {
            "model": self.model,
            "num_slots": self.num_slots,
            "two_replicas": [asdict(each) | {"error": each.error} for each in self.compared],
            "images_per_s_of_a_replica": self.images_per_s,
            "overhead_s_of_a_job": self.overhead_s,
            "throughput_ratio_of_ray": self.throughput_ratio,
            "ray_added_s_of_a_job": self.ray_added_s,
            "rates": asdict(self.rates),
            "limits_prompts_per_minute": self.rates.limits(),
            "max_wait_s": self.max_wait_s,
            "answers": [asdict(each) for each in self.answers],
            "missed": self.misses(),
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        checked = Table("two replicas here", "measured", "simulated", "off by")
        for each in self.compared:
            checked.add_row(each.name, f"{each.measured:.3g}", f"{each.simulated:.3g}", f"{each.error:+.1%}")
        yield checked
        yield f"Two replicas on Ray draw {self.throughput_ratio:.3f} times what two processes do without it."
        yield f"A job alone takes {self.ray_added_s * 1000.0:.0f} ms longer there."
        limits = Table("one of", "prompts a minute")
        for name, limit in self.rates.limits().items():
            limits.add_row(name, f"{limit:,.0f}")
        yield limits
        yield f"The database was {self.rates.database}."
        wanted = Table("prompts a minute", "replicas", "95 % wait", "95 % are done in", "device hours a day", "more of")
        for answer in self.answers:
            wanted.add_row(
                f"{answer.prompts_per_minute:,.0f}",
                f"{answer.num_replicas:,}",
                "no end" if answer.p95_wait_s is None else f"{answer.p95_wait_s:.2f} s",
                "no end" if answer.p95_latency_s is None else f"{answer.p95_latency_s:.2f} s",
                f"{answer.device_hours_per_day:,.0f}",
                ", ".join(answer.bottlenecks) or "–",
            )
        yield wanted
        yield from (answer.complaint for answer in self.answers if answer.complaint is not None)
        yield from (f"Missed: {miss}" for miss in self.misses())


def judge(
    prompts_per_minute: float,
    num_replicas: int,
    *,
    replicas_limit: float,
    p95_wait_s: float,
    p95_latency_s: float,
    max_wait_s: float,
    limits: Mapping[str, float],
) -> Answer:
    """What a simulation says of this rate. replicas_limit: prompts a minute that the replicas draw at most. limits: of
    everything else, one of each."""
    is_carried = prompts_per_minute < replicas_limit
    short = dict(limits)
    if not is_carried or p95_wait_s > max_wait_s:
        # They may fail to let jobs start in time before they fail to draw them all.
        short[REPLICAS] = min(replicas_limit, math.nextafter(prompts_per_minute, 0.0))
    return Answer(
        prompts_per_minute=prompts_per_minute,
        num_replicas=num_replicas,
        replicas_limit_per_minute=replicas_limit,
        p95_wait_s=p95_wait_s if is_carried else None,
        p95_latency_s=p95_latency_s if is_carried else None,
        device_hours_per_day=24.0 * num_replicas,
        bottlenecks=bottlenecks(short, prompts_per_minute),
    )


def bottlenecks(limits: Mapping[str, float], prompts_per_minute: float) -> tuple[str, ...]:
    """What does not suffice for this rate; what falls first comes first."""
    ordered = sorted(limits.items(), key=lambda item: item[1])
    return tuple(name for name, limit in ordered if limit < prompts_per_minute)
