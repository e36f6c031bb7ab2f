"""Two machines for a Ray cluster, on this one: namespaces of processes, with a cable between them that can be cut.

The head draws; the other one has no CPU for Ray, and a bot. A machine is killed as a whole, as by pulling its plug.
They want root, `ip`, `unshare` and `iptables`.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tests.conftest import TIMEOUT_S

_APPLICATION: Final = "engines"
_PORT: Final = 26379
_HEAD: Final = "10.199.7.1"
_OTHER: Final = "10.199.7.2"
_NETNS: Final = "dalle-bot-tests"
_ROOT: Final = Path(__file__).parents[2]
_ENVIRONMENT: Final = {"PYTHONPATH": str(_ROOT), "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
_RAY: Final = Path(sys.executable).with_name("ray")


def missing() -> str | None:
    """What this machine lacks for these tests, for people."""
    if os.geteuid() != 0:
        return "only root can make namespaces"
    lacking = [tool for tool in ("ip", "unshare", "iptables") if shutil.which(tool) is None]
    if lacking:
        return f"{', '.join(lacking)} is not installed"
    can = subprocess.run(["unshare", "--net", "--pid", "--fork", "--mount-proc", "true"], check=False)
    return None if can.returncode == 0 else "this machine lets nobody make namespaces"


class Cable:
    """Between this machine's network and another one, which processes can be started in."""

    def __init__(self) -> None:
        self.close()
        _ip("netns", "add", _NETNS)
        _ip("link", "add", "dallebot0", "type", "veth", "peer", "name", "dallebot1", "netns", _NETNS)
        _ip("addr", "add", f"{_HEAD}/30", "dev", "dallebot0")
        _ip("-n", _NETNS, "addr", "add", f"{_OTHER}/30", "dev", "dallebot1")
        for link in (("dallebot0",), ("-n", _NETNS, "dallebot1"), ("-n", _NETNS, "lo")):
            _ip(*link[:-1], "link", "set", link[-1], "up")

    def cut(self) -> None:
        """Nothing comes through any more, and nobody is told."""
        for chain, direction in (("INPUT", "-i"), ("OUTPUT", "-o")):
            _in_netns("iptables", "-A", chain, direction, "dallebot1", "-j", "DROP")

    def heal(self) -> None:
        """As before."""
        _in_netns("iptables", "-F")

    def close(self) -> None:
        """Pulls it out."""
        subprocess.run(["ip", "netns", "del", _NETNS], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", "dallebot0"], capture_output=True, check=False)


class Machine:
    """Processes that see none of others. script: for bash, what it does once it is on. within: before the command."""

    def __init__(self, script: str, log: Path, *within: str) -> None:
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [*within, "unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "bash", "-c", script],
                cwd=_ROOT,
                env=os.environ | _ENVIRONMENT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )

    def close(self) -> None:
        """Kills all its processes at once, with -9."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with closing(pipe):
                    continue


class Bot:
    """The program of ray_bot.py on a machine of its own, which joins the cluster again when it has lost it.

    heard: what it has said, in order.
    """

    def __init__(self, log: Path, *arguments: str) -> None:
        join = f"{_RAY} start --address={_HEAD}:{_PORT} --node-ip-address={_OTHER} --num-cpus=0 --num-gpus=0 --block"
        bot = f"{sys.executable} -m tests.executor.ray_bot {_HEAD}:{_PORT} {_APPLICATION} {' '.join(arguments)}"
        script = f"while true; do {join} </dev/null >&2; sleep 1; done & exec {bot}"
        self.heard: list[dict[str, Any]] = []
        self._machine = Machine(script, log, "ip", "netns", "exec", _NETNS)
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def draw(self, *seeds: int) -> None:
        """Lets it draw jobs, one of each seed."""
        assert self._machine.process.stdin is not None
        self._machine.process.stdin.write("".join(f"{seed}\n" for seed in seeds))
        self._machine.process.stdin.flush()

    def wait(self, is_true: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
        """Until what it has said makes that true. Raises AssertionError."""
        with self._changed:
            assert self._changed.wait_for(is_true, timeout_s), self.heard

    def told(self, what: str) -> list[int]:
        """The seeds of jobs that it has said this of, sorted; 0 for what is of no job."""
        return sorted(each.get("seed", 0) for each in self.heard if each["is"] == what)

    def close(self) -> None:
        """Kills it, and its machine."""
        self._machine.close()
        self._reader.join(TIMEOUT_S)

    def _read(self) -> None:
        assert self._machine.process.stdout is not None
        for line in self._machine.process.stdout:
            with self._changed:
                self.heard.append(json.loads(line))
                self._changed.notify_all()


class Head:
    """The machine that draws, in this machine's network. folder: for Ray's files; a short path, as sockets want."""

    def __init__(self, folder: Path, num_replicas: int = 2) -> None:
        start = (
            f"{_RAY} start --head --node-ip-address={_HEAD} --port={_PORT} --num-cpus=4 --num-gpus=0 --block "
            f"--include-dashboard=false --ray-client-server-port={_PORT + 1} --temp-dir={folder}"
        )
        deploy = f"{sys.executable} -m tests.executor.ray_deploy {_HEAD}:{_PORT} {_APPLICATION} {num_replicas}"
        until_up = f"until (exec 3<>/dev/tcp/{_HEAD}/{_PORT}) 2>/dev/null; do sleep 0.2; kill -0 $! || exit 1; done"
        script = f"{start} </dev/null >&2 & {until_up}; {deploy} </dev/null >&2 && echo deployed && wait"
        self._machine = Machine(script, folder / "head.log")

    def wait(self) -> None:
        """Until engines are there."""
        assert self._machine.process.stdout is not None
        assert self._machine.process.stdout.readline() == "deployed\n"

    def close(self) -> None:
        """Kills it."""
        self._machine.close()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _in_netns(*command: str) -> None:
    _ip("netns", "exec", _NETNS, *command)
