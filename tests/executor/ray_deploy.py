"""Deploys engines on a running Ray cluster, from a process of its own that then leaves it. Run by machines.py.

Arguments: the cluster's address, the application's name, the number of replicas.
"""

import importlib
import sys
from functools import partial

from bot.engine.fake import FakeEngine
from bot.executor.ray.own_cluster import deploy

from .ray_bot import ENGINE


def main() -> None:
    address, name, num_replicas = sys.argv[1:]
    importlib.import_module("ray").init(address=address, namespace="serve", log_to_driver=False)
    importlib.import_module("ray.serve").start(proxy_location="Disabled")
    deploy(
        partial(FakeEngine, **ENGINE),
        chunk_tokens=4,
        name=name,
        num_replicas=int(num_replicas),
        ray_actor_options={"num_cpus": 0.1},
    )


if __name__ == "__main__":
    main()
