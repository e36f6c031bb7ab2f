"""Why a cluster can't be used, in sentences for whoever runs the bot. Pure: joining.py and connecting.py tell what Ray
and Serve said. Some causes Ray names in the text of an error alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bot.errors import ClusterNotReadyError, ConfigError

_DEPLOY: Final = "`dalle-bot deploy ray > serve.yaml`, then `serve deploy serve.yaml`"
_JOIN: Final = "`ray start --address {head} --num-cpus 0 --num-gpus 0`"
_LONGEST: Final = 400


def not_joined(address: str, error: BaseException, *, version: str) -> ConfigError | ClusterNotReadyError:
    """What to raise where Ray does not let this process in. version: of this Ray."""
    said = "\n".join(f"{type(each).__name__}: {each}" for each in _chain(error))
    if "AuthenticationError" in said:
        return ConfigError(
            f"executor.address: the Ray cluster at {address} asks for a token, and the bot has none or another one. "
            "Start the bot with RAY_AUTH_MODE=token, and with the cluster's token in ~/.ray/auth_token or "
            "RAY_AUTH_TOKEN."
        )
    if "Version mismatch" in said:
        mismatch = _cut(" ".join(str(error).split()))
        return ConfigError(
            f"executor.address: the Ray cluster at {address} can't be joined ({mismatch}). It needs the same versions "
            f"of Ray ({version}) and Python as the bot."
        )
    if "No node info found" in said:
        return ClusterNotReadyError(
            f"executor.address: the Ray cluster at {address} answers, and this machine is not part of it: "
            f"{_JOIN.format(head=address)} makes it so."
        )
    because = last_line(error.__cause__ or error).rstrip(".")
    if address == "auto":
        return ClusterNotReadyError(
            f"executor.address is auto, and this machine is part of no Ray cluster that answers ({because}). Start one "
            f"with `ray start --head`, or make it part of one: {_JOIN.format(head='HEAD:6379')}."
        )
    return ClusterNotReadyError(
        f"executor.address: no Ray cluster answers at {address} ({because}). Start one there with `ray start "
        "--head`, or correct the address."
    )


def no_serve(address: str, error: BaseException) -> ClusterNotReadyError:
    """What to raise where the cluster has no Serve, or Serve does not answer."""
    if "no Serve instance" in str(error):
        return ClusterNotReadyError(
            f"Serve runs nothing yet on the Ray cluster at {address}. Deploy the engines: {_DEPLOY}."
        )
    because = last_line(error).rstrip(".")
    return ClusterNotReadyError(
        f"Serve does not answer on the Ray cluster at {address} ({because}). `serve status` shows more."
    )


@dataclass(frozen=True, slots=True)
class Deployed:
    """What Serve says of the engines. status, message: in its words. num_gpus: what one of them asks for."""

    status: str
    message: str
    num_gpus: float


def no_engine(
    application: str,
    timeout_s: float,
    deployed: Deployed | None,
    *,
    total: Mapping[str, float],
    free: Mapping[str, float],
) -> ClusterNotReadyError:
    """What to raise where no engine came up. deployed: None if Serve knows of no such application. total, free: what
    the cluster has, by Ray's names."""
    if deployed is None:
        return ClusterNotReadyError(
            f"executor.application: Serve runs no {application} on the cluster. Deploy it: {_DEPLOY}; or correct the "
            "name."
        )
    sentence = f"No engine of {application} came up on the Ray cluster within {timeout_s:g} s."
    gpus, cpus = total.get("GPU", 0.0), f"{free.get('CPU', 0.0):g} CPUs are free there."
    if deployed.num_gpus and not gpus:
        sentence += " There is no GPU on it: an engine that asks for one (num_gpus) can't start."
    elif deployed.num_gpus > gpus:
        sentence += f" An engine asks for {deployed.num_gpus:g} GPUs (num_gpus)."
    rest = f"{free.get('GPU', 0.0):g} of {gpus:g} GPUs and {cpus}" if deployed.num_gpus else cpus
    says = _last(deployed.message).rstrip(".") or deployed.status
    return ClusterNotReadyError(f"{sentence} Serve says: {says}. {rest} `serve status` shows more.")


def other_version(application: str, version: str) -> ClusterNotReadyError:
    """What to raise where only engines of another version of this project answer. version: of this process."""
    return ClusterNotReadyError(
        f"The engines of {application} run another version than this one, {version}: install the same on both."
    )


def no_answer(application: str, timeout_s: float) -> ClusterNotReadyError:
    """What to raise where no engine came up and the cluster says nothing of it."""
    return ClusterNotReadyError(
        f"No engine of {application} came up on the Ray cluster within {timeout_s:g} s. The cluster does not "
        "answer: `serve status` on one of its machines shows more."
    )


def last_line(error: BaseException) -> str:
    """What was raised in the end: of an error elsewhere Ray shows the whole traceback."""
    return _last(str(error)) or type(error).__name__


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _cut(lines[-1]) if lines else ""


def _cut(text: str) -> str:
    return text[:_LONGEST]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
