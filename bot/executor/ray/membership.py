"""This process's place in a cluster: what asks the engines there, and who runs them. Made by joining.py."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any, Final

from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

ANSWER_TIMEOUT_S: Final = 3.0
# Serve itself gives what reports 10 seconds to end.
END_TIMEOUT_S: Final = 12.0
# What Ray raises where a replica, or the way to it, is gone, where an error of the replica's own code is among them;
# and where this process has left the cluster, or was thrown out.
GONE: Final = (RayError, RayServeException, RuntimeError, ConnectionError)


@dataclass(frozen=True, eq=False, slots=True)
class Membership:
    """handle: of the engines' deployment. controller: Serve's, which dies with the cluster and outlives the engines."""

    handle: DeploymentHandle[Any]
    controller: Any

    async def is_alive(self) -> bool:
        """Whether the cluster answers that was joined, whatever its engines do. Within ANSWER_TIMEOUT_S."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self.controller.__ray_ready__.remote()
        except (*GONE, TimeoutError):
            return False
        return True

    async def end(self) -> None:
        """Lets nothing go on that reports to the cluster for this handle; before this process leaves it. Within
        END_TIMEOUT_S."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_TIMEOUT_S):
                await self.handle.shutdown_async()
