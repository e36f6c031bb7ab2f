"""Every metric of the bot, in a registry of its own. Made once by app.py and handed to whoever has something to count.

Names and units are Prometheus's conventions. No label holds an id or anything that somebody wrote: each has a few known
values, all of which are there from the start, so that a rate can be computed at the first event. Safe on any thread.
"""

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

INTERACTION_KINDS: Final = ("command", "component", "form", "suggestion")
DISCORD_ERRORS: Final = (
    "bad_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "rate_limited",
    "server_error",
    "timeout",
    "connection",
)
STORE_ERRORS: Final = ("locked", "busy", "full", "read_only", "damaged", "unreachable", "abandoned", "other")
JOB_STATES: Final = (
    "received",
    "acknowledged",
    "queued",
    "running",
    "in_review",
    "delivering",
    "delivered",
    "cancelled",
    "failed",
    "expired",
)
ENGINE_STATES: Final = ("loading", "ready", "failed", "closed")
LOG_LEVELS: Final = ("warning", "error", "critical")

_PREFIX: Final = "dalle_bot"
_ANSWER_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 5.0)
_REQUEST_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_JOB_S: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_DELIVERY_S: Final = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1200.0)
_SHORT_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """registry: what a scrape shows, the process's memory and start included."""

    def __init__(self) -> None:
        disable_created_metrics()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.build = Info(f"{_PREFIX}_build", "The bot's version, and a digest of its sources.", registry=self.registry)

        self.queue_jobs = self._gauge("queue_jobs", "Jobs that wait for slots.")
        self.queue_max_jobs = self._gauge("queue_max_jobs", "Waiting and running jobs that are accepted at most.")
        self.queue_oldest_age = self._gauge("queue_oldest_age_seconds", "How long the oldest waiting job has waited.")
        self.running_jobs = self._gauge("running_jobs", "Jobs that hold slots.")
        self.slots = self._gauge("slots", "Pictures that can be drawn at once; 0 while the model loads.")
        self.slots_used = self._gauge("slots_used", "Slots in which a picture is being drawn.")

        self.engine_state = Gauge(
            f"{_PREFIX}_engine_state", "1 for the engine's state, 0 for the others.", ["state"], registry=self.registry
        )
        self.engine_busy = self._gauge(
            "engine_busy_seconds", "How long the engine has been at work without a sign of life; 0 while it is idle."
        )
        self.engine_step = self._histogram(
            "engine_step_seconds", "Time of one step: an image token for every occupied slot.", _SHORT_S
        )
        self.engine_tokens = self._counter("engine_tokens", "Image tokens that were drawn.")
        self.replicas = self._gauge(
            "replicas", "Engines of a cluster that can draw; 0 where the engine is in this process."
        )
        self.replicas_lost = self._counter(
            "replicas_lost", "Those that were gone for 10 s, the ones that the cluster needs no longer among them."
        )
        self.fallback = self._gauge(
            "fallback", "1 if the engine is in this process because the cluster could not be used."
        )
        self.standby = self._gauge("standby", "1 while this process waits for shards that another one has.")

        self.interactions = self._counter("interactions", "Interactions that Discord sent.", "kind", INTERACTION_KINDS)
        self.acknowledgement = self._histogram(
            "acknowledgement_seconds",
            "From an interaction's arrival until Discord has its answer, which it must have within 3 s.",
            _ANSWER_S,
        )
        self.job_transitions = self._counter("job_transitions", "Jobs that entered a state.", "state", JOB_STATES)
        self.job = self._histogram(
            "job_seconds", "From a job's acceptance until its pictures are shown, without waits for moderators.", _JOB_S
        )
        self.delivery = self._histogram(
            "delivery_seconds", "From finished pictures until Discord shows them.", _DELIVERY_S
        )
        self.resumed_jobs = self._counter("resumed_jobs", "Jobs of an earlier run that this one went on with.")

        self.discord_request = self._histogram(
            "discord_request_seconds",
            "Requests to Discord until its answer begins, each attempt by itself.",
            _REQUEST_S,
        )
        self.discord_errors = self._counter(
            "discord_errors", "Requests to Discord that failed, each attempt by itself.", "kind", DISCORD_ERRORS
        )
        self.gateway_shards = self._gauge("gateway_shards", "Connections to Discord's gateway that should be there.")
        self.gateway_shards_connected = self._gauge("gateway_shards_connected", "Those that are.")
        self.gateway_latency = self._gauge("gateway_latency_seconds", "The slowest shard's last heartbeat.")
        self.gateway_disconnects = self._counter("gateway_disconnects", "Connections to the gateway that were lost.")
        self.gateway_resumes = self._counter("gateway_resumes", "Gateway sessions that went on after that.")
        self.guilds = self._gauge("guilds", "Servers that the bot is in.")

        self.store_transaction = Histogram(
            f"{_PREFIX}_store_transaction_seconds",
            "Transactions of the database, with the wait for their turn.",
            ["access"],
            buckets=_SHORT_S,
            registry=self.registry,
        )
        self.store_ready = self._gauge("store_ready", "1 if the database takes what is written to it, 0 if not.")
        self.store_errors = self._counter("store_errors", "Transactions that failed.", "kind", STORE_ERRORS)
        self.review_open_cases = self._gauge("review_open_cases", "Cases that moderators have not decided.")
        self.review_oldest_age = self._gauge("review_oldest_age_seconds", "How long the oldest of them has waited.")

        self.event_loop_lag = self._histogram(
            "event_loop_lag_seconds", "How late a timer of the event loop ran, four times a second.", _SHORT_S
        )
        self.log_records = self._counter("log_records", "Lines of the log from warnings on.", "level", LOG_LEVELS)
        self.disk_free = self._gauge("disk_free_bytes", "Free space where data_dir is.")

        for state in ENGINE_STATES:
            self.engine_state.labels(state)
        for access in ("read", "write"):
            self.store_transaction.labels(access)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", text, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"{_PREFIX}_{name}", text, buckets=buckets, registry=self.registry)

    def _counter(self, name: str, text: str, label: str | None = None, values: tuple[str, ...] = ()) -> Counter:
        """The library adds `_total` to the name."""
        counter = Counter(f"{_PREFIX}_{name}", text, [label] if label else [], registry=self.registry)
        for value in values:
            counter.labels(value)
        return counter
