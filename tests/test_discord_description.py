"""The checker must be able to fail: each of these exchanges has one fault, but for the first few."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox import Exchange
from tests import discord_description
from tests.discord_description import check_answers, check_exchange

ERROR = {"message": "Unknown Message", "code": 10008}
SENT = Exchange(
    method="PATCH",
    path="/webhooks/1/secret/messages/@original",
    path_template="/webhooks/{webhook_id}/{webhook_token}/messages/@original",
    query={"with_components": "0"},
    content_type="application/json",
    payload={"content": "hello", "tts": False, "attachments": [{"id": 7, "filename": "a.png"}]},
    files=(),
    status=404,
    answer=ERROR,
)
CALLBACK = replace(
    SENT,
    method="POST",
    path="/interactions/1/secret/callback",
    query={"with_response": "1"},
    payload={"type": 4, "data": {"content": "hello"}},
)
COMMANDS = replace(
    SENT,
    method="PUT",
    path="/applications/1/commands",
    query={},
    payload=[{"name": "imagine", "description": "Draws", "type": 1, "nsfw": False, "options": []}],
)
BUTTON = {"type": 2, "style": 1, "label": "Go", "custom_id": "go"}
OPTION = {"type": 4, "name": "images", "description": "How many", "required": False}


def rows(*components: dict[str, Any]) -> dict[str, Any]:
    return {"content": "hello", "components": [{"type": 1, "components": list(components)}]}


def command(**changes: Any) -> Exchange:
    return replace(COMMANDS, payload=[COMMANDS.payload[0] | changes])


def test_right_exchanges_pass() -> None:
    upload = replace(
        SENT,
        content_type="multipart/form-data",
        payload={"content": "", "attachments": [{"id": 0, "filename": "a.png"}]},
        files=(("files[0]", "a.png", 10),),
    )
    check_exchange([SENT, CALLBACK, COMMANDS, upload, replace(SENT, payload=rows(BUTTON)), command(options=[OPTION])])
    check_exchange([replace(SENT, method="DELETE", payload=None, content_type="", query={}, status=204, answer=None)])


@pytest.mark.parametrize(
    ("exchange", "complaint"),
    [
        (replace(SENT, path="/webhook/1/secret/messages/@original"), "no such route"),
        (replace(SENT, method="PUT"), "no such route"),
        (replace(SENT, path="/webhooks/one/secret/messages/@original"), "path parameter webhook_id"),
        (replace(SENT, query={"with_component": "0"}), "unknown query parameter with_component"),
        (replace(SENT, query={"with_components": "maybe"}), "query parameter with_components"),
        (replace(SENT, payload={"contents": "hello"}), "'contents' was unexpected"),
        (replace(SENT, payload={"content": 5}), r"\$\.content"),
        (replace(SENT, payload={"attachments": [{"filename": "a.png"}]}), "'id' is a required property"),
        (replace(SENT, content_type="text/plain"), "a body of type 'text/plain'"),
        (replace(SENT, payload=rows(BUTTON | {"labl": "Go"})), "'labl' was unexpected"),
        (replace(SENT, payload=rows(BUTTON | {"type": 99})), "components"),
        (replace(CALLBACK, payload={"type": 4, "data": {"contents": "hello"}}), "'contents' was unexpected"),
        (replace(CALLBACK, payload={"type": 11}), "not valid under any"),
        (command(descriptions="x"), "'descriptions' was unexpected"),
        (command(options=[OPTION | {"min_value": "1"}]), "min_value"),
        (command(options=[OPTION | {"min_valu": 1}]), "'min_valu' was unexpected"),
    ],
)
def test_what_the_schema_sees(exchange: Exchange, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_exchange([SENT, exchange])


@pytest.mark.parametrize(
    ("exchange", "complaint"),
    [
        (command(name="Imagine"), "Command name is invalid"),
        (command(name="two words"), "Command name is invalid"),
        (command(options=[OPTION, OPTION]), "Option names must be unique"),
        (command(options=[OPTION, OPTION | {"name": "prompt", "required": True}]), "Required options must be placed"),
        (replace(COMMANDS, payload=COMMANDS.payload * 2), "must be unique: imagine"),
        (replace(SENT, payload=rows(BUTTON, BUTTON)), "cannot be duplicated: go"),
        (replace(SENT, payload=rows({"type": 2, "style": 1, "label": "Go"})), "A custom id is required"),
        (replace(SENT, payload={"embeds": [{"description": "x" * 3001}] * 2}), "Embed size exceeds"),
        (replace(CALLBACK, payload={"type": 4, "data": {"content": ""}}), "an empty message"),
        (replace(SENT, files=(("file", "a.png", 1),)), "a file in the field file"),
        (replace(SENT, files=(("files[0]", "a.png", 1),)), r"files\[0\] is in no attachment"),
    ],
)
def test_what_is_checked_by_hand(exchange: Exchange, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_exchange([exchange])


def test_what_was_faultless_hides_no_fault() -> None:
    """Of which snowflakes are the same, and of their form, schemas know."""

    def mentioning(*users: str) -> Exchange:
        return replace(SENT, payload={"content": "hello", "allowed_mentions": {"users": list(users)}})

    one, two = "100000000000000001", "100000000000000002"
    check_exchange([mentioning(one, two), mentioning(two, one)])
    for wrong in (mentioning(one, one), mentioning(one, "0" + two), mentioning(one, two + "x")):
        with pytest.raises(AssertionError, match="allowed_mentions"):
            check_exchange([wrong])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"status": 302}, "answered 302"),
        ({"answer": ERROR | {"reason": "x"}}, "'reason' was unexpected"),
        ({"answer": {"message": "Unknown Message"}}, "'code' is a required property"),
        ({"status": 200, "answer": {"id": "1"}}, "required property"),
        ({"method": "DELETE", "status": 204, "answer": {}}, "an answer where none belongs"),
    ],
)
def test_wrong_answers(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_answers([replace(SENT, **changes)])


def test_a_refusal_is_a_complaint() -> None:
    refused = replace(SENT, status=400, answer={"message": "Cannot send an empty message", "code": 50006})
    check_answers([refused])
    with pytest.raises(AssertionError, match="refused"):
        check_exchange([refused])


def test_without_the_description(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(discord_description, "PATH", tmp_path / "openapi.json")
    monkeypatch.delenv(discord_description.REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"description is absent"):
        check_exchange([SENT])
    monkeypatch.setenv(discord_description.REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match=discord_description.REQUIRED):
        check_exchange([SENT])
