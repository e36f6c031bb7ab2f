"""The cluster that is to draw. Used by the examination; event loop."""

from bot.config import ExecutorSettings
from bot.doctor.finding import Outcome, failed, ok, warned
from bot.errors import DalleBotError


async def check_executor(settings: ExecutorSettings, *, timeout_s: float) -> Outcome:
    """Whether engines of the cluster answer. Joins it as a bot does, and leaves it again. timeout_s: for each of both
    ways, to get in and to hear of an engine."""
    if settings.kind == "local":
        return ok("Pictures are drawn in the bot's process.")
    from bot.executor.opening import join_cluster

    try:
        replicas = await join_cluster(settings.model_copy(update={"connect_timeout_s": timeout_s}))
        try:
            states = await replicas.states()
        finally:
            await replicas.aclose()
    except DalleBotError as error:
        if settings.fallback:
            return warned(str(error), "A bot that starts now draws in its own process, as executor.fallback says.")
        return failed(str(error), "Mend that. With executor.fallback = true the bot would draw in its own process.")
    num_slots = sum(state.load.num_slots for state in states)
    engines = "1 engine answers" if len(states) == 1 else f"{len(states)} engines answer"
    return ok(f"{engines} as {settings.application} on the cluster, with {num_slots} slots.")
