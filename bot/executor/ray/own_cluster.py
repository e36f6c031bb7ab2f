"""A Ray cluster of this machine alone, for benches and tests: up inside a block, gone outside."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import ray
from ray import serve

from bot.engine.base import Engine
from bot.executor.ray.serving import APPLICATION, EngineSpec, application


@contextmanager
def own_cluster(num_cpus: int) -> Iterator[None]:
    """Blocks for some seconds at both ends. num_cpus: how many Ray is to believe in."""
    ray.init(
        address="local",
        num_cpus=num_cpus,
        num_gpus=0,
        include_dashboard=False,
        namespace="serve",
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        serve.start(proxy_location="Disabled")
        yield
        serve.shutdown()
    finally:
        ray.shutdown()


def deploy(engine_factory: Callable[[], Engine], *, chunk_tokens: int, name: str = APPLICATION, **options: Any) -> None:
    """Brings engines up in the cluster, or exchanges those that are there under this name. Blocks until they are ready.

    engine_factory: called in the process of each replica. options: of the deployment, such as num_replicas.
    """
    spec = partial(EngineSpec, engine_factory, chunk_tokens)
    one_core = {"ray_actor_options": {"num_cpus": 1}}
    serve.run(application(spec, **one_core | options), name=name, route_prefix=None)
