"""How this process gets into a cluster and out of it. Called by connecting.py, on threads of their own, as all of it
blocks. What keeps it out is a ConfigError, or a ClusterNotReadyError if it may pass by itself.
"""

import logging
import signal
import socket
import threading
from typing import Any, Final

import ray
from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import ServeInstanceDetails

from bot.errors import ClusterNotReadyError
from bot.executor.ray.causes import Deployed, no_answer, no_engine, no_serve, not_joined
from bot.executor.ray.membership import GONE, Membership
from bot.executor.ray.serving import DEPLOYMENT

REACH_TIMEOUT_S: Final = 5.0
# How HTTP/2 begins, which Ray speaks: the client's preface and settings; the other side's settings come back. A frame
# begins with three bytes of its length and one of its kind.
_SETTINGS: Final = b"\x04"
_HELLO: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + _SETTINGS + bytes(5)


def leave() -> None:
    """Blocks."""
    ray.shutdown()
    # Serve takes what it knows of a controller for that of this cluster if this process's job has the same number as
    # then; each cluster counts anew.
    serve.context._set_global_client(None)


def enter(address: str) -> None:
    """Blocks. A process that is in a cluster already stays in that, if it answers at this address. Raises ConfigError
    and ClusterNotReadyError."""
    try:
        _check_reachable(address)
        if not ray.is_initialized():
            ray.init(address=address, namespace="serve", log_to_driver=False, logging_level=logging.WARNING)
    except (*GONE, OSError, ValueError) as error:
        raise not_joined(address, error, version=ray.__version__) from None


def find(address: str, application: str) -> Membership:
    """Blocks. address: of the cluster that this process is in. Raises ClusterNotReadyError where no Serve is."""
    try:
        handle: DeploymentHandle[Any] = serve.get_deployment_handle(DEPLOYMENT, application, _check_exists=False)
        # Sets up what asks the cluster, which blocks.
        handle.options(method_name="state")
        return Membership(handle, ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve"))
    except (*GONE, ValueError) as error:
        raise no_serve(address, error) from None


def _check_reachable(address: str) -> None:
    """Ray itself tries for minutes. Raises OSError."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), REACH_TIMEOUT_S) as stream:
            stream.sendall(_HELLO)
            answer = stream.recv(9)
        if answer[3:4] != _SETTINGS:
            raise ConnectionError("what listens there is no Ray")


def take_sigterm_back() -> None:
    """SIGTERM does again what it did before Ray came, which has it print its stack. Does nothing but on the main
    thread."""
    handler = signal.getsignal(signal.SIGTERM)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def why_there_is_none(application: str, timeout_s: float) -> ClusterNotReadyError:
    """What to raise where no engine has come up. Blocks on the cluster."""
    try:
        client: Any = serve.context._get_global_client()
        details = ServeInstanceDetails(**client.get_serve_details())
        total, free = ray.cluster_resources(), ray.available_resources()
    except GONE:
        return no_answer(application, timeout_s)
    return no_engine(application, timeout_s, _deployed(details, application), total=total, free=free)


def _deployed(details: ServeInstanceDetails, application: str) -> Deployed | None:
    found = details.applications.get(application)
    if found is None:
        return None
    deployment = found.deployments.get(DEPLOYMENT)
    if deployment is None:
        return Deployed(found.status.value, found.message, 0.0)
    num_gpus = getattr(deployment.deployment_config.ray_actor_options, "num_gpus", None) or 0.0
    return Deployed(found.status.value, deployment.message or found.message, num_gpus)
