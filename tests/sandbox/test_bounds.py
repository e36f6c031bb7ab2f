"""Nothing in the sandbox grows without end."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.sandbox import happenings, interactions, message_store, server, world
from bot.sandbox.album import Album
from bot.sandbox.clock import Clock, Snowflakes
from bot.sandbox.errors import ApiError, LineError
from bot.sandbox.files import FileShelf, UploadedFile
from bot.sandbox.finality import Patience
from bot.sandbox.happenings import Board, Happening, HappeningKind
from bot.sandbox.interaction import COMMAND
from bot.sandbox.interactions import InteractionDesk
from bot.sandbox.message_store import MessageStore, Placement
from bot.sandbox.messages import MessageJson
from bot.sandbox.recorder import MAX_EXCHANGES, Exchange, Recorder
from bot.sandbox.server import SandboxServer
from bot.sandbox.world import World

CLOCK = Clock(lambda: 1_700_000_000.0)


def make_shelf(max_bytes: int = 1000) -> FileShelf:
    return FileShelf(CLOCK, Snowflakes(CLOCK), "http://cdn", max_bytes)


def test_files_give_way() -> None:
    shelf = make_shelf(max_bytes=25)
    attachments = [shelf.add(UploadedFile(0, "a.txt", bytes(10)), None) for _ in range(3)]
    assert [shelf.read(attachment.id) is None for attachment in attachments] == [True, False, False]


async def test_messages_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_store, "MAX_MESSAGES", 2)
    guild = World(CLOCK)
    store = MessageStore(guild, CLOCK, make_shelf(), Board())
    channel = guild.channel_named("general")
    messages = [store.create(Placement(channel.id, 0), {"content": "x", "nonce": str(i)}) for i in range(3)]
    assert [message.id for message in store.newest_first(channel.id)] == [messages[2].id, messages[1].id]
    assert store.with_nonce(channel.id, "0") is None
    with pytest.raises(ApiError, match="Unknown Message"):
        store.get(messages[0].id)


async def test_interactions_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactions, "MAX_INTERACTIONS", 1)
    guild, board = World(CLOCK), Board()
    store = MessageStore(guild, CLOCK, make_shelf(), board)
    json = MessageJson(guild, make_shelf().url)
    desk = InteractionDesk(guild, CLOCK, board, store, json.message, lambda *_: True)
    data = {"id": "1", "name": "x", "type": 1}
    first, second = (desk.create(COMMAND, data, guild.owner, guild.channel_named("general")) for _ in range(2))
    with pytest.raises(ApiError, match="Unknown interaction"):
        desk.acknowledge(first.id, first.token, {"type": 5}, ())
    assert desk.acknowledge(second.id, second.token, {"type": 5}, ())[0] is second
    assert second.token not in repr(second)


async def test_slow_listeners_lose_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happenings, "MAX_WAITING", 2)
    board = Board()
    with board.subscription() as queue:
        for text in "abc":
            board.publish(Happening(HappeningKind.FAILURE, text=text))
        assert [queue.get_nowait().text for _ in range(queue.qsize())] == ["b", "c"]
    board.publish(Happening(HappeningKind.FAILURE))
    assert queue.empty()


def test_exchanges_give_way() -> None:
    recorder = Recorder()
    exchange = Exchange("GET", "/", None, {}, "", None, (), 404, {"code": 0})
    for status in range(MAX_EXCHANGES + 1):
        recorder.note(replace(exchange, status=status))
    snapshot = recorder.snapshot()
    assert (len(snapshot), snapshot[0].status) == (MAX_EXCHANGES, 1)


def test_members_and_players_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "MAX_MEMBERS", 6)
    guild = World(CLOCK)
    assert guild.member_named("ann") is guild.member_named("ann")
    with pytest.raises(LineError, match="at most 6 members"):
        guild.member_named("bob")
    monkeypatch.setattr(server, "MAX_PLAYERS", 1)
    sandbox = SandboxServer(1, None, Patience(), CLOCK, World(CLOCK))
    assert sandbox.player("main") is sandbox.player("main")
    with pytest.raises(LineError, match="1 players already"):
        sandbox.player("second")


@pytest.mark.parametrize("name", ["", "x", "two words", "x" * 33, "dalle-bot"])
def test_names_that_no_member_can_have(name: str) -> None:
    with pytest.raises(LineError, match="can't be a member"):
        World(CLOCK).member_named(name)


async def test_saved_files_keep_their_names_apart(tmp_path: Path) -> None:
    shelf = make_shelf()
    book = Album(shelf, tmp_path / "new" / "folder")
    names = []
    for filename in ("a.png", "a.png", "../../up.png", ".hidden", "???"):
        attachment = shelf.add(UploadedFile(0, filename, filename.encode()), None)
        names += [await book.add(attachment), await book.add(attachment)]
    assert names[::2] == names[1::2] == ["a.png", "a-2.png", "_.._up.png", "hidden", "___"]
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == set(names)
