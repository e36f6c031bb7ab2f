"""What `bench serve` found: the figures of each policy from its two runs, and how they are told."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from bot.bench.serve_load import NUM_GUILDS, NUM_USERS, Served
from bot.bench.serve_policy import Policy
from bot.bench.serve_timeline import Span, Timeline

# What the engine is to reach; the report says where it does not.
MAX_P95_TO_SOLO: Final = 2.0
MIN_SATURATED_TO_OFFLINE: Final = 0.9
MAX_IDLE_SHARE: Final = 0.03


@dataclass(frozen=True, slots=True)
class StartError:
    """|predicted start - real start| of the jobs that had to wait and were told when they would start, in seconds;
    medians of nothing are None."""

    num_jobs: int
    median_s: float | None
    p90_s: float | None

    @classmethod
    def of(cls, served: Sequence[Served]) -> "StartError":
        errors = [
            abs(job.predicted_start_s - job.started_s)
            for job in served
            if job.had_to_wait and job.predicted_start_s is not None
        ]
        median, p90 = (float(np.percentile(errors, q)) if errors else None for q in (50, 90))
        return cls(len(errors), median, p90)

    def to_json(self) -> dict[str, float | None]:
        return {"jobs": self.num_jobs, "median": self.median_s, "p90": self.p90_s}


@dataclass(frozen=True)
class Run:
    """One run of all arrivals under one policy."""

    served: Sequence[Served]
    timeline: Timeline

    @property
    def window(self) -> Span:
        """From the first planned arrival to the last finished job."""
        return min(job.scheduled_s for job in self.served), max(job.finished_s for job in self.served)

    @property
    def throughput(self) -> float:
        """Images per second over the whole window."""
        since, until = self.window
        return sum(job.num_images for job in self.served) / (until - since)

    @cached_property
    def latencies_s(self) -> list[float]:
        """From the planned arrival to the last picture, shortest first."""
        return sorted(job.latency_s for job in self.served)

    def latency_s(self, percent: float) -> float:
        return float(np.percentile(self.latencies_s, percent))

    def max_submit_delay_s(self) -> float:
        """How late the load generator was at worst; latencies count from the plan all the same."""
        return max(job.submitted_s - job.scheduled_s for job in self.served)


@dataclass(frozen=True, slots=True)
class PolicyRuns:
    """loaded: at the load that was asked for. saturated: the same jobs in a time much too short for them."""

    loaded: Run
    saturated: Run


@dataclass(frozen=True, slots=True)
class ServeReport:
    """solo_s: images of a job → its median latency when it is alone. offline_throughput: images per second with all
    jobs handed in at once, in the steady middle; the capacity that `load` is a share of."""

    model: str
    device: str
    dtype: str
    num_slots: int
    chunk_tokens: int
    jobs: int
    seed: int
    load: float
    saturated_load: float
    solo_s: Mapping[int, float]
    offline_throughput: float
    policies: Mapping[Policy, PolicyRuns]

    @property
    def solo_latency_s(self) -> float:
        """Of the mix: the median over a job of each size, since sizes are equally frequent."""
        return float(np.median(list(self.solo_s.values())))

    def figures(self, policy: Policy) -> dict[str, Any]:
        """The keys of one policy.

        throughput, latency_*, occupancy, idle_share: at `load`, from the first arrival to the last picture.
        p95_to_solo: 95th percentile of each job's latency over the solo latency of its own size.
        p95_to_mix_solo: latency_p95_s over solo_latency_s, whatever the sizes.
        idle_share: of the time with occupied slots, how much the device had nothing to do (see bot.bench.serve_watch).
        saturated_throughput: as offline_throughput, with arrivals at `saturated_load`.
        expected_start_error_s: only where forecasts are made for this policy.
        """
        runs = self.policies[policy]
        loaded, saturated = runs.loaded, runs.saturated
        saturated_throughput = saturated.timeline.steady_rate()
        p95 = loaded.latency_s(95)
        # The product's forecast assumes that a free slot is filled, so it means nothing for batches.
        errors = {
            name: StartError.of(run.served).to_json() if policy == "continuous" else None
            for name, run in (("expected_start_error_s", loaded), ("saturated_expected_start_error_s", saturated))
        }
        return {
            "throughput": loaded.throughput,
            "latency_p50_s": loaded.latency_s(50),
            "latency_p95_s": p95,
            "latency_p99_s": loaded.latency_s(99),
            "solo_latency_s": self.solo_latency_s,
            "p95_to_solo": self.p95_to_solo(policy),
            "p95_to_mix_solo": p95 / self.solo_latency_s,
            "occupancy": loaded.timeline.occupancy(loaded.window, self.num_slots),
            "idle_share": loaded.timeline.idle_share(loaded.window),
            "offline_throughput": self.offline_throughput,
            "saturated_throughput": saturated_throughput,
            "saturated_to_offline": saturated_throughput / self.offline_throughput,
            "saturated_occupancy": saturated.timeline.occupancy(saturated.window, self.num_slots),
            "saturated_idle_share": saturated.timeline.idle_share(saturated.window),
            "max_submit_delay_s": loaded.max_submit_delay_s(),
            **errors,
        }

    def p95_to_solo(self, policy: Policy) -> float:
        """See `figures`."""
        served = self.policies[policy].loaded.served
        return float(np.percentile([job.latency_s / self.solo_s[job.num_images] for job in served], 95))

    def to_json(self) -> dict[str, Any]:
        """Plain dicts and numbers, for `json.dumps`."""
        return {
            "model": self.model,
            "device": self.device,
            "dtype": self.dtype,
            "num_slots": self.num_slots,
            "chunk_tokens": self.chunk_tokens,
            "jobs": self.jobs,
            "seed": self.seed,
            "load": self.load,
            "saturated_load": self.saturated_load,
            "users": NUM_USERS,
            "guilds": NUM_GUILDS,
            "solo_latency_by_images_s": {str(size): seconds for size, seconds in self.solo_s.items()},
            "solo_latency_s": self.solo_latency_s,
            "offline_throughput": self.offline_throughput,
            **{policy: self.figures(policy) for policy in self.policies},
            "missed": list(self._misses()),
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        solo = ", ".join(f"{seconds:.2f} s for {size}" for size, seconds in self.solo_s.items())
        yield (
            f"{self.model}, {self.dtype}, {self.num_slots} slots, chunks of {self.chunk_tokens} tokens, on "
            f"{self.device}"
        )
        yield (
            f"{self.jobs} jobs of 1, 4 or 9 images from {NUM_USERS} users in {NUM_GUILDS} guilds, Poisson arrivals at "
            f"{self.load:.0%} of the capacity, which is {self.offline_throughput:.2f} images/s (all jobs at once). "
            f"Alone a job takes {solo} images."
        )
        figures = {policy: self.figures(policy) for policy in self.policies}
        yield f"{'':<34}" + "".join(f"{policy:>12}" for policy in figures)
        for label, key, form in _ROWS:
            yield f"{label:<34}" + "".join(f"{form.format(column[key]):>12}" for column in figures.values())
        error = StartError.of(self.policies["continuous"].saturated.served)
        if error.median_s is not None:
            yield (
                f"Expected start at saturation: off by {error.median_s:.2f} s (median) and {error.p90_s:.2f} s (90 %) "
                f"over {error.num_jobs} jobs that had to wait."
            )
        yield (
            "Latency counts from the planned arrival to the last picture; static collects what waits and runs it to "
            "the end before it looks again."
        )
        for miss in self._misses():
            yield f"Missed: {miss}"

    def _misses(self) -> Iterator[str]:
        figures = self.figures("continuous")
        if figures["p95_to_mix_solo"] > MAX_P95_TO_SOLO:
            yield (
                f"p95 over solo latency is {figures['p95_to_mix_solo']:.2f} for the mix ({figures['p95_to_solo']:.2f} "
                f"for each size by itself); the goal is {MAX_P95_TO_SOLO:g}."
            )
        if figures["saturated_to_offline"] < MIN_SATURATED_TO_OFFLINE:
            yield (
                f"throughput at saturation is {figures['saturated_to_offline']:.0%} of offline; the goal is "
                f"{MIN_SATURATED_TO_OFFLINE:.0%}."
            )
        if figures["idle_share"] > MAX_IDLE_SHARE:
            yield (
                f"the device is idle {figures['idle_share']:.1%} of the time with occupied slots; the goal is "
                f"{MAX_IDLE_SHARE:.0%}."
            )


_ROWS: Final = (
    ("images/s", "throughput", "{:.2f}"),
    ("latency, median", "latency_p50_s", "{:.2f} s"),
    ("latency, 95 %", "latency_p95_s", "{:.2f} s"),
    ("latency, 99 %", "latency_p99_s", "{:.2f} s"),
    ("latency / solo of its size, 95 %", "p95_to_solo", "{:.2f}"),
    ("latency, 95 % / solo of the mix", "p95_to_mix_solo", "{:.2f}"),
    ("slots occupied", "occupancy", "{:.0%}"),
    ("device idle with occupied slots", "idle_share", "{:.1%}"),
    ("images/s at saturation", "saturated_throughput", "{:.2f}"),
    ("images/s at saturation / offline", "saturated_to_offline", "{:.2f}"),
    ("device idle at saturation", "saturated_idle_share", "{:.1%}"),
)
