"""A sandbox with a folder is gone on with by the next one, whatever ended it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.errors import ConfigError
from bot.sandbox import Patience, Sandbox, kept_server
from bot.sandbox.clock import Clock
from bot.sandbox.files import UploadedFile
from bot.sandbox.guild import Place
from bot.sandbox.hosting import Handshake, serve
from bot.sandbox.interaction import COMMAND, Interaction
from bot.sandbox.kept_server import decode
from bot.sandbox.kept_world import kept_world, world_again
from bot.sandbox.message_store import Placement
from bot.sandbox.messages import Message
from bot.sandbox.server import SandboxServer
from bot.sandbox.world import World
from tests.conftest import TIMEOUT_S, eventually

COMMANDS = [{"name": "draw", "description": "Draws.", "type": 1}]
SLASH = {"id": "1", "name": "draw", "type": 1}


@asynccontextmanager
async def served(data: Path) -> AsyncIterator[tuple[Handshake, SandboxServer]]:
    """A stand-in on this event loop."""
    stop = asyncio.Event()
    ready: asyncio.Future[tuple[Handshake, SandboxServer]] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(0, None, Patience(), stop, lambda *both: ready.set_result(both), data))
    try:
        first: set[asyncio.Future[Any]] = {task, ready}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        yield ready.result() if ready.done() else await _never(task)
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), TIMEOUT_S)


async def _never(task: "asyncio.Task[None]") -> Any:
    """Raises what kept it from starting."""
    await task


def ask(server: SandboxServer, *, answer: dict[str, Any] | None = None) -> Interaction:
    """A command of the user's, answered if `answer` says with what."""
    world = server.world
    asked = server.desk.create(COMMAND, SLASH, world.member_named("user"), world.channel_named("general"))
    if answer is not None:
        server.desk.acknowledge(asked.id, asked.token, answer, ())
    return asked


def post(server: SandboxServer, text: str, *files: UploadedFile, nonce: str | None = None) -> Message:
    place = Placement(server.world.channel_named("general").id, 0)
    return server.messages.create(place, {"content": text, "nonce": nonce}, files)


async def test_everything_that_a_bot_knows_of_is_there_again(tmp_path: Path) -> None:
    async with served(tmp_path / "kept") as (first, server):
        world = server.world
        assert not first.goes_on
        role = world.new_role("painter")
        alice = world.with_role(world.speaking(world.member_named("alice"), "de"), role, has_it=True)
        bob = world.member_named("bob")
        world.lose_member(bob)
        closed = world.channel_named("gallery")
        world.close_channel(closed)
        denied = world.deny_bot(world.channel_named("general"), 1 << 15)
        direct = world.direct_channel(alice)
        (draw,) = server.commands.overwrite(None, COMMANDS)
        server.clock.advance(100)
        posted = post(server, "a picture", UploadedFile(0, "a.png", b"bytes of it"), nonce="7")
        public = ask(server, answer={"type": 4, "data": {"content": "working"}})
        hidden = ask(server, answer={"type": 4, "data": {"content": "for you", "flags": 64}})
    async with served(tmp_path / "kept") as (second, server):
        world = server.world
        assert second.goes_on
        assert (second.token, second.address) == (first.token, server.address)
        assert world.bot.id == world.application_id
        assert [world.members[one.id] for one in (alice, bob)] == [alice, bob]
        assert (world.is_member(alice.id), world.is_member(bob.id)) == (True, False)
        assert world.roles[role.id] == role
        assert world.channel(closed.id) is None
        assert world.channel(denied.id) == denied
        assert world.direct_channel(alice) == direct
        assert server.commands.registered.is_set()
        assert server.commands.usable(Place.GUILD) == [draw]
        assert server.clock.now() - Clock().now() == pytest.approx(100, abs=5)
        assert server.messages.get(posted.id) == posted
        assert server.messages.with_nonce(posted.channel_id, "7") == posted
        assert server.files.read(posted.attachments[0].id) == b"bytes of it"
        for asked in (public, hidden):
            again = server.desk.with_token(world.application_id, asked.token)
            original = server.desk.original(again)
            assert server.messages.edit(original, {"content": "done"}, by=again.id).content == "done"
        assert int(post(server, "later").id) > int(hidden.id)


async def test_what_was_never_answered_is_dead(tmp_path: Path) -> None:
    async with served(tmp_path / "kept") as (_, server):
        asked = ask(server)
    async with served(tmp_path / "kept") as (_, server):
        assert not server.desk.is_dead(asked.id)
        server.clock.advance(3)
        await eventually(lambda: server.desk.is_dead(asked.id))


async def test_what_is_kept_has_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_server, "MAX_MESSAGES", 2)
    monkeypatch.setattr(kept_server, "MAX_INTERACTIONS", 1)
    folder = tmp_path / "kept" / "discord"
    async with served(tmp_path / "kept") as (_, server):
        old = ask(server, answer={"type": 4, "data": {"content": "x"}})
        server.clock.advance(15 * 60)
        asked = [ask(server, answer={"type": 4, "data": {"content": "x"}}) for _ in range(2)]
        posted = [post(server, str(n), UploadedFile(0, "a.png", bytes(n))) for n in range(3)]
        await server.keep()
        kept = decode((folder / "server.json").read_bytes())
        assert [message.id for message in kept.messages] == [message.id for message in posted[1:]]
        assert [interaction.id for interaction in kept.interactions] == [asked[1].id]
        assert {file.name for file in (folder / "attachments").iterdir()} == {m.attachments[0].id for m in posted[1:]}
        server.messages.edit(posted[2], {"attachments": []})
        monkeypatch.setattr(kept_server, "MAX_INTERACTIONS", 9)
        await server.keep()
        kept = decode((folder / "server.json").read_bytes())
        assert old.id not in [interaction.id for interaction in kept.interactions], "its token is worth nothing now"
        assert [file.name for file in (folder / "attachments").iterdir()] == [posted[1].attachments[0].id]


async def test_many_changes_at_once_are_few_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    async with served(tmp_path / "kept") as (_, server):
        encode = kept_server.KeptServer.encode

        def counted(kept: kept_server.KeptServer) -> bytes:
            written.append(len(kept.messages))
            return encode(kept)

        monkeypatch.setattr(kept_server.KeptServer, "encode", counted)

        async def change(number: int) -> None:
            post(server, str(number))
            await server.keep()
            assert written[-1] > number, "it was written after the change, not before"

        await asyncio.gather(*(change(number) for number in range(50)))
    assert len(written) <= 4


async def test_a_disk_that_refuses_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with served(tmp_path / "kept") as (_, server):
        with monkeypatch.context() as patch:
            patch.setattr("bot.sandbox.sandbox_folder.write_lasting", refuse)
            post(server, "first")
            await server.keep()
            await server.keep()
        assert [record.getMessage() for record in caplog.records if "can't be kept" in record.getMessage()] == [
            f"the sandbox can't be kept in {tmp_path / 'kept'}: No space left on device"
        ]
    async with served(tmp_path / "kept") as (_, server):
        channel = server.world.channel_named("general")
        assert [message.content for message in server.messages.newest_first(channel.id)] == ["first"]


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda state: state[: len(state) // 2], "damaged (JSON: Invalid JSON"),
        (lambda state: state.replace(b'"format":1', b'"format":2'), "damaged (format: Input should be 1"),
        (lambda state: state.replace(b'"bot_id":"', b'"bot_id":"9'), "damaged (nothing has the id '9"),
        (lambda state: b"", "damaged (JSON: Invalid JSON"),
    ],
)
async def test_a_damaged_state_is_told(tmp_path: Path, spoil: Any, complaint: str) -> None:
    async with served(tmp_path / "kept"):
        pass
    file = tmp_path / "kept" / "discord" / "server.json"
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(ConfigError) as refused:
        async with served(tmp_path / "kept"):
            pass
    assert complaint in str(refused.value)
    assert f"Delete {tmp_path / 'kept'} to begin anew" in str(refused.value)


def test_worlds_do_not_share_what_changes() -> None:
    clock = Clock()
    world = World(clock)
    again = world_again(kept_world(world, clock), Clock())
    again.lose_member(again.member_named("user"))
    again.guilds.clear()
    assert world.is_member(again.member_named("user").id)
    assert world.guilds
    assert replace(kept_world(again, clock), guilds=world.guilds, gone=(), last_id=0) == replace(
        kept_world(world, clock), last_id=0
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no kill -9")
async def test_what_a_client_was_told_outlives_a_kill(tmp_path: Path) -> None:
    """The stand-in itself is killed, right after its answer."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.sandbox", "--data", str(tmp_path / "kept")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    async with asyncio.timeout(TIMEOUT_S), aiohttp.ClientSession() as session:
        told = Handshake(**json.loads(await child.stdout.readline()))
        headers = {"Authorization": f"Bot {told.token}"}
        api = f"{told.address}/api/v10"
        (guild,) = await (await session.get(f"{api}/users/@me/guilds", headers=headers)).json()
        channels = await (await session.get(f"{api}/guilds/{guild['id']}/channels", headers=headers)).json()
        form = {"content": "promised"}
        address = f"{api}/channels/{channels[0]['id']}/messages"
        message = await (await session.post(address, headers=headers, json=form)).json()
        child.send_signal(signal.SIGKILL)
        await child.wait()
    async with Sandbox.start(data=tmp_path / "kept") as again:
        assert again.goes_on
        assert again.token == told.token
        _, look = await again.play("look", TIMEOUT_S)
        assert (look.text, look.message_id) == ("promised", message["id"])


async def test_a_process_says_what_is_wrong_with_its_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(ConfigError, match=r"--data: .* holds x and is no sandbox's"):
        async with Sandbox.start(process=True, data=tmp_path):
            pass
    assert capfd.readouterr() == ("", ""), "whoever started it says it"
    assert os.listdir(tmp_path) == ["x"]
