"""How this process gets into a cluster and out of it. Called by connecting.py, on threads of their own, as all of it
blocks. What was set up wrongly is a ConfigError.
"""

import logging
import socket
from typing import Any, Final

import ray
from ray import serve
from ray.exceptions import AuthenticationError, RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from bot.errors import ConfigError
from bot.executor.ray.serving import DEPLOYMENT

REACH_TIMEOUT_S: Final = 5.0
# How HTTP/2 begins, which Ray speaks: the client's preface and settings; the other side's settings come back. A frame
# begins with three bytes of its length and one of its kind.
_SETTINGS: Final = b"\x04"
_HELLO: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + _SETTINGS + bytes(5)
# What Ray raises where a replica, or the way to it, is gone. An error of the replica's own code is among them.
LOST: Final = (RayError, RayServeException)
# The same for calls that may find that this process has left the cluster, or was thrown out.
GONE: Final = (*LOST, RuntimeError, ConnectionError)


def leave() -> None:
    """Blocks."""
    ray.shutdown()
    # Serve takes what it knows of a controller for that of this cluster if this process's job has the same number as
    # then; each cluster counts anew.
    serve.context._set_global_client(None)


def join(address: str, application: str) -> DeploymentHandle[Any]:
    """Blocks. Raises ConfigError."""
    try:
        if not ray.is_initialized():
            _check_reachable(address)
            ray.init(address=address, namespace="serve", log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError) as error:
        if isinstance(error.__cause__, AuthenticationError):
            raise ConfigError(
                f"executor.address: the Ray cluster at {address} asks for a token. Start the bot with "
                "RAY_AUTH_MODE=token, and with the cluster's token in ~/.ray/auth_token or RAY_AUTH_TOKEN."
            ) from None
        raise ConfigError(
            f"executor.address: no Ray cluster answers at {address} ({first_line(error)}). Start one there with "
            "`ray start --head`, or correct the address."
        ) from None
    except RuntimeError as error:
        said = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"executor.address: the Ray cluster at {address} can't be joined ({said}). It needs the same versions of "
            f"Ray ({ray.__version__}) and Python as the bot."
        ) from None
    try:
        handle: DeploymentHandle[Any] = serve.get_deployment_handle(DEPLOYMENT, application, _check_exists=False)
        # The first question sets up what asks the cluster, which blocks.
        handle.running_replicas_populated()
    except LOST as error:
        raise ConfigError(
            f"Serve does not answer on the cluster at {address} ({first_line(error)}). `serve status` shows more."
        ) from None
    return handle


def _check_reachable(address: str) -> None:
    """Ray itself tries for minutes. Raises OSError, or ValueError for what is no address."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), REACH_TIMEOUT_S) as stream:
            stream.sendall(_HELLO)
            answer = stream.recv(9)
        if answer[3:4] != _SETTINGS:
            raise ConnectionError("what listens there is no Ray")


def why_there_is_none(application: str, timeout_s: float) -> str:
    """Blocks on the cluster."""
    sentence = f"No engine of {application} came up on the Ray cluster within {timeout_s:g} s."
    try:
        status = serve.status().applications.get(application)
        total, free = ray.cluster_resources(), ray.available_resources()
    except GONE:
        return f"{sentence} The cluster does not answer: `serve status` on one of its machines shows more."
    if status is None:
        return (
            f"executor.application: Serve runs no {application} on the cluster. Deploy it: `dalle-bot deploy ray > "
            "serve.yaml`, then `serve deploy serve.yaml`; or correct the name."
        )
    deployment = status.deployments.get(DEPLOYMENT)
    said = " ".join((deployment.message if deployment is not None else status.message).split())
    if not total.get("GPU"):
        sentence += " There is no GPU on it: an engine that asks for one (num_gpus) can't start."
    rest = f"{free.get('GPU', 0):g} of {total.get('GPU', 0):g} GPUs and {free.get('CPU', 0):g} CPUs are free there."
    return f"{sentence} Serve says: {said[:300] or status.status.value}. {rest} `serve status` shows more."


def first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Of an error in a replica Ray shows the traceback, and what was raised comes last.
    return (lines[-1] if isinstance(error, RayError) and lines else next(iter(lines), type(error).__name__))[:300]
