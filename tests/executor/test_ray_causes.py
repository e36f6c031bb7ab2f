"""Why a cluster can't be used: what is said, and whether a new start may help. Errors as Ray 2.60 raises them."""

import pytest

from bot.errors import ClusterNotReadyError, ConfigError
from bot.executor.ray.causes import Deployed, last_line, no_engine, no_serve, not_joined

HEAD = "10.0.0.1:6379"
TRACEBACK = """The deployment failed to start 3 times in a row. See controller logs for details. Error:
ray::ServeReplica:dalle-bot:engine.initialize_and_get_metadata() (pid=1, ip=10.0.0.2)
  File "serving.py", line 66, in __init__
bot.errors.ConfigError: There is no configuration file /etc/dalle-bot/config.toml.
"""


class AuthenticationError(Exception):
    """Named as Ray's."""


def joining(error: Exception, cause: Exception | None = None, address: str = HEAD) -> Exception:
    error.__cause__ = cause
    return not_joined(address, error, version="2.60.0")


@pytest.mark.parametrize(
    "error",
    [
        # No token at all, and RAY_AUTH_MODE=token.
        joining(AuthenticationError("Token authentication is enabled but no authentication token was found")),
        # Another token, or no RAY_AUTH_MODE: the cause has it as text alone.
        joining(
            ConnectionError(f"Failed to connect to Ray cluster at {HEAD}"),
            RuntimeError(
                "Failed to connect to GCS. Last connection error: Traceback (most recent call last):\n  File ...\n"
                "ray.exceptions.AuthenticationError: RPC error: InvalidAuthToken: Authentication token is missing"
            ),
        ),
    ],
)
def test_a_cluster_that_asks_for_a_token_is_said_to(error: Exception) -> None:
    assert isinstance(error, ConfigError)
    assert str(error).startswith(f"executor.address: the Ray cluster at {HEAD} asks for a token, and the bot has none")


def test_a_machine_that_is_not_part_of_the_cluster_is_told_how_to_become_one() -> None:
    error = joining(
        ConnectionError(f"Failed to connect to Ray cluster at {HEAD}"),
        RuntimeError("No node info found matching attributes: '10.0.0.9' when trying to resolve node to connect to."),
    )
    assert isinstance(error, ClusterNotReadyError)
    assert str(error) == (
        f"executor.address: the Ray cluster at {HEAD} answers, and this machine is not part of it: "
        f"`ray start --address {HEAD} --num-cpus 0 --num-gpus 0` makes it so."
    )


def test_another_version_of_ray_is_for_somebody_to_mend() -> None:
    error = joining(RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.0.0\n"))
    assert isinstance(error, ConfigError)
    assert (
        "(Version mismatch: The cluster was started with: Ray: 2.0.0). It needs the same versions of Ray (2.60.0)"
        in (str(error))
    )


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (HEAD, f"no Ray cluster answers at {HEAD} (Connection refused). Start one there"),
        (
            "auto",
            "part of no Ray cluster that answers (Connection refused). Start one with `ray start --head`, or make it",
        ),
    ],
)
def test_what_does_not_answer_may_later(address: str, sentence: str) -> None:
    error = joining(ConnectionRefusedError("Connection refused"), address=address)
    assert isinstance(error, ClusterNotReadyError)
    assert sentence in str(error)


def test_where_no_serve_runs_the_engines_are_not_deployed() -> None:
    nothing = no_serve(HEAD, RuntimeError("There is no Serve instance running on this Ray cluster."))
    assert "Deploy the engines: `dalle-bot deploy ray > serve.yaml`, then `serve deploy serve.yaml`." in str(nothing)
    silent = no_serve(HEAD, RuntimeError("The actor is unavailable."))
    assert str(silent).startswith(f"Serve does not answer on the Ray cluster at {HEAD} (The actor is unavailable).")


def none_of(deployed: Deployed | None, gpus: float = 0.0) -> str:
    free = {"CPU": 3.0, "GPU": 0.0}
    return str(no_engine("dalle-bot", 9.0, deployed, total={"CPU": 4.0, "GPU": gpus}, free=free))


def test_engines_that_are_not_deployed_are_named() -> None:
    assert none_of(None).startswith(
        "executor.application: Serve runs no dalle-bot on the cluster. Deploy it: `dalle-bot"
    )


def test_of_a_long_reason_the_end_is_told_and_gpus_only_where_they_are_asked_for() -> None:
    assert none_of(Deployed("DEPLOY_FAILED", TRACEBACK, 0.0)) == (
        "No engine of dalle-bot came up on the Ray cluster within 9 s. Serve says: bot.errors.ConfigError: There is no "
        "configuration file /etc/dalle-bot/config.toml. 3 CPUs are free there. `serve status` shows more."
    )


@pytest.mark.parametrize(
    ("asked", "gpus", "sentence"),
    [
        (1.0, 0.0, "There is no GPU on it: an engine that asks for one (num_gpus) can't start."),
        (2.0, 1.0, "An engine asks for 2 GPUs (num_gpus)."),
        (1.0, 1.0, "within 9 s. Serve says: DEPLOYING. 0 of 1 GPUs and 3 CPUs"),
    ],
)
def test_too_few_gpus_are_told(asked: float, gpus: float, sentence: str) -> None:
    said = none_of(Deployed("DEPLOYING", "", asked), gpus)
    assert sentence in said
    assert f"0 of {gpus:g} GPUs and 3 CPUs are free there." in said


def test_what_was_raised_comes_last_in_what_ray_shows() -> None:
    assert last_line(RuntimeError("a traceback\n  File ...\n\nValueError: no\n")) == "ValueError: no"
    assert last_line(RuntimeError()) == "RuntimeError"
