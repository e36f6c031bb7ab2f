"""What the unmodified client would never do, or hides: raw HTTP and raw web sockets."""

import asyncio
import io
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.sandbox import Sandbox
from bot.sandbox.files import URL_LIFE_S
from bot.sandbox.message_store import NONCE_LIFE_S
from tests.discord_description import check_answers
from tests.sandbox.tiny_bot import TinyBot


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bot {sandbox.token}"}
    async with aiohttp.ClientSession(f"{sandbox.address}/api/v10/", headers=headers) as session:
        yield session


async def identified(
    session: aiohttp.ClientSession, sandbox: Sandbox, query: str = "", **changes: Any
) -> aiohttp.ClientWebSocketResponse:
    socket = await session.ws_connect(f"{sandbox.address}/gateway?v=10&encoding=json{query}")
    data: dict[str, Any] = {"token": sandbox.token, "intents": 1, "properties": {}} | changes
    await socket.send_json({"op": 2, "d": data})
    return socket


async def close_code(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    while (await socket.receive(5)).type is aiohttp.WSMsgType.TEXT:
        pass
    return socket.close_code


async def test_gateway_greets_and_acknowledges(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    socket = await identified(http, sandbox)
    frames = [await socket.receive_json(timeout=5) for _ in range(3)]
    assert [(frame["op"], frame["t"], frame["s"]) for frame in frames] == [
        (10, None, None),
        (0, "READY", 1),
        (0, "GUILD_CREATE", 2),
    ]
    assert frames[1]["d"]["guilds"][0]["unavailable"]
    await socket.send_json({"op": 1, "d": 2})
    assert (await socket.receive_json(timeout=5))["op"] == 11
    await socket.send_json({"op": 6, "d": {}})
    assert await close_code(socket) == 4005


async def test_gateway_compresses_one_stream(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    socket = await identified(http, sandbox, "&compress=zlib-stream")
    stream = zlib.decompressobj()
    frames = [json.loads(stream.decompress(await socket.receive_bytes(timeout=5))) for _ in range(3)]
    assert [frame["t"] for frame in frames] == [None, "READY", "GUILD_CREATE"]
    await socket.close()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"token": "wrong"}, 4004),
        ({"intents": 1 << 15}, 4014),
        ({"intents": None}, 4013),
        ({"intents": 1 << 40}, 4013),
        ({"shard": [2, 2]}, 4010),
    ],
)
async def test_gateway_hangs_up(
    sandbox: Sandbox, http: aiohttp.ClientSession, changes: dict[str, Any], code: int
) -> None:
    assert await close_code(await identified(http, sandbox, **changes)) == code


@pytest.mark.parametrize(("frame", "code"), [("{", 4002), ('{"op": 99}', 4001), ('{"op": 3}', 4003), ("[]", 4002)])
async def test_gateway_refuses_frames(sandbox: Sandbox, http: aiohttp.ClientSession, frame: str, code: int) -> None:
    socket = await http.ws_connect(f"{sandbox.address}/gateway")
    await socket.send_str(frame)
    assert await close_code(socket) == code


async def test_identifying_twice(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    socket = await identified(http, sandbox)
    await socket.send_json({"op": 2, "d": {}})
    assert await close_code(socket) == 4005


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "nothing/here", None, 404, 0),
        ("POST", "users/@me", b"", 405, 0),
        ("PUT", "applications/1/commands", b"[]", 404, 10002),
        ("GET", "guilds/1", None, 404, 10004),
        ("GET", "channels/1/messages", None, 404, 10003),
        ("POST", "interactions/1/secret/callback", b'{"type": 5}', 404, 10062),
        ("POST", "interactions/1/secret/callback", b"{", 400, 50109),
        ("POST", "interactions/1/secret/callback", b"[]", 400, 50035),
        ("PATCH", "webhooks/1/secret/messages/@original", b"{}", 404, 10015),
    ],
)
async def test_errors(
    sandbox: Sandbox, http: aiohttp.ClientSession, method: str, path: str, body: bytes | None, status: int, code: int
) -> None:
    headers = {"Content-Type": "application/json"}
    async with http.request(method, path, data=body, headers=headers) as response:
        assert (response.status, response.headers["Content-Type"]) == (status, "application/json")
        assert (await response.json())["code"] == code
    if status not in (404, 405) or code:
        check_answers(sandbox.requests)


async def test_only_the_bot_may_call(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    for headers in ({"Authorization": "Bot wrong"}, {"Authorization": f"Bearer {sandbox.token}"}):
        async with http.get("users/@me", headers=headers) as response:
            assert response.status == 401
    check_answers(sandbox.requests)


async def test_control_needs_its_own_token(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    for command in ("play", "clock", "connected"):
        async with http.post(f"{sandbox.address}/sandbox/{command}", json={}) as response:
            assert response.status == 401
    async with http.get(f"{sandbox.address}/sandbox/requests") as response:
        assert response.status == 401


async def test_a_request_that_is_too_large(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    form = aiohttp.FormData()
    for index in range(3):
        form.add_field(f"files[{index}]", io.BytesIO(bytes(9 * 1024 * 1024)), filename="a.bin")
    async with http.post("interactions/1/secret/callback", data=form) as response:
        assert response.status == 413
        assert (await response.json())["code"] == 40005


async def test_an_interaction_is_answered_once(sandbox: Sandbox, bot: TinyBot, http: aiohttp.ClientSession) -> None:
    await sandbox.play("/echo text:hi")
    answered = next(e for e in sandbox.requests if e.path.endswith("/callback"))
    async with http.post(answered.path.removeprefix("/"), json=answered.payload) as response:
        assert response.status == 400
        assert (await response.json())["code"] == 40060


async def test_files_can_be_downloaded_until_they_expire(
    sandbox: Sandbox, bot: TinyBot, http: aiohttp.ClientSession
) -> None:
    channel_id = bot.guilds[0].text_channels[0].id
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("payload_json", '{"attachments": [{"id": 0}]}')
    form.add_field("files[0]", b"some bytes", filename="a b.txt")
    async with http.post(f"channels/{channel_id}/messages", data=form) as response:
        message = await response.json()
    url = message["attachments"][0]["url"]
    async with http.get(url) as response:
        assert (response.status, response.content_type) == (200, "text/plain")
        assert await response.read() == b"some bytes"
    for wrong in (url.partition("?")[0], url.replace("a%20b", "c")):
        async with http.get(wrong) as response:
            assert response.status == 404
    await sandbox.advance_clock(URL_LIFE_S)
    async with http.get(url) as response:
        assert response.status == 404
    async with http.get(f"channels/{channel_id}/messages/{message['id']}") as response:
        fresh = (await response.json())["attachments"][0]["url"]
    async with http.get(fresh) as response:
        assert response.status == 200


async def test_a_nonce_is_enforced(sandbox: Sandbox, bot: TinyBot, http: aiohttp.ClientSession) -> None:
    channel_id = bot.guilds[0].text_channels[0].id
    ids = set()
    for enforce, later_s in ((True, 0.0), (True, 0.0), (False, 0.0), (True, NONCE_LIFE_S + 1)):
        await sandbox.advance_clock(later_s)
        body = {"content": "once", "nonce": "job-1", "enforce_nonce": enforce}
        async with http.post(f"channels/{channel_id}/messages", json=body) as response:
            ids.add((await response.json())["id"])
    assert len(ids) == 3, "once more without enforcement, and once it was forgotten"
    check_answers(sandbox.requests)


async def test_an_attachment_that_does_not_exist(sandbox: Sandbox, bot: TinyBot, http: aiohttp.ClientSession) -> None:
    body = {"content": "x", "attachments": [{"id": "12"}]}
    async with http.post(f"channels/{bot.guilds[0].text_channels[0].id}/messages", json=body) as response:
        assert response.status == 400
        errors = (await response.json())["errors"]
    assert errors["attachments"]["0"]["id"]["_errors"][0]["code"] == "MESSAGE_ATTACHMENT_NOT_FOUND"
    check_answers(sandbox.requests)


async def test_a_player_plays_one_line_at_a_time(sandbox: Sandbox, bot: TinyBot) -> None:
    waiting = asyncio.create_task(sandbox.play("wait 0.5"))
    await asyncio.sleep(0.1)
    with pytest.raises(Exception, match="still plays another line"):
        await sandbox.play("wait 0")
    events = await sandbox.play("/echo text:hi", player="another")
    seen = await waiting
    assert [event.text for event in seen[1:]] == [event.text for event in events[1:]]
