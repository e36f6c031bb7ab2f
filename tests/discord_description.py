"""Checks REST exchanges against Discord's official OpenAPI description, and by hand what that can't express.

The description lies beside the checkout (../shared/discord/openapi.json) and is no part of it. Where it is absent the
checks skip; with DALLE_BOT_REQUIRE_DISCORD_DESCRIPTION=1 in the environment that is a failure instead.

Discord's objects are open in the description. Here they are closed, or misspelt keys would pass; and unions are
decided by their `type`, so that a complaint names the field that is wrong and not the whole union.
"""

import copy
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from bot.sandbox import Exchange, rules
from bot.sandbox import components as parts
from bot.sandbox.messages import COMPONENTS_V2

PATH: Final = Path(__file__).resolve().parents[2] / "shared" / "discord" / "openapi.json"
REQUIRED: Final = "DALLE_BOT_REQUIRE_DISCORD_DESCRIPTION"

_URI: Final = "urn:discord"
_LOCAL: Final = "#/components/schemas/"
_OPEN: Final = "__open"
_FILE_FIELD: Final = re.compile(r"files\[(\d)\]")
_SNOWFLAKE: Final = re.compile(r'"[1-9]\d{16,19}"')
_KEPT_ATTACHMENT: Final = ("url", "proxy_url", "size", "width", "height", "content_type", "spoiler")
_REFUSALS: Final = {50006, 50035, 50109, 40005}


def check_exchange(exchanges: Iterable[Exchange]) -> None:
    """Fails with every complaint about requests and answers. Skips without the description."""
    description = load()
    complaints = [complaint for exchange in exchanges for complaint in description.complaints(exchange)]
    assert not complaints, "\n".join(complaints)


def check_answers(exchanges: Iterable[Exchange]) -> None:
    """`check_exchange` for tests that send wrong requests on purpose: looks at the answers alone."""
    description = load()
    complaints = [c for exchange in exchanges for c in description.answer_complaints(exchange)]
    assert not complaints, "\n".join(complaints)


def load() -> "Description":
    """The description; skips the test, or fails it where REQUIRED is set, if it is absent."""
    if PATH.exists():
        return _read()
    sentence = f"Discord's description is absent ({PATH.name} is expected in ../shared/discord beside the checkout)"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{sentence}, and {REQUIRED} is set")
    pytest.skip(sentence)


@cache
def _read() -> "Description":
    return Description(json.loads(PATH.read_text(encoding="utf-8")))


class Description:
    """An OpenAPI 3.1 document, ready to check exchanges with."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._paths: dict[str, Any] = document["paths"]
        self._shared_responses: dict[str, Any] = document["components"]["responses"]
        self._schemas: dict[str, Any] = document["components"]["schemas"]
        closed = {name: self._closed(schema) for name, schema in self._schemas.items()}
        opened = {name + _OPEN: self._closed(schema, is_open=True) for name, schema in self._schemas.items()}
        resource = DRAFT202012.create_resource({"components": {"schemas": closed | opened}})
        self._registry: Registry[Any] = Registry().with_resource(_URI, resource)
        self._validators: dict[str, Any] = {}
        self._faultless: set[tuple[str, str]] = set()

    def complaints(self, exchange: Exchange) -> list[str]:
        """What is wrong with a request, its answer, or with having been refused."""
        found = self.request_complaints(exchange)
        if exchange.is_mishap:
            return found
        found += self.answer_complaints(exchange)
        answer = exchange.answer
        if exchange.status >= 400 and isinstance(answer, dict) and answer.get("code") in _REFUSALS:
            found.append(f"{_name(exchange)}: refused: {json.dumps(answer)[:300]}")
        return found

    def request_complaints(self, exchange: Exchange) -> list[str]:
        """Unknown paths and parameters, bodies that don't fit, and the rules that are checked by hand."""
        template = self._template(exchange)
        if template is None or exchange.method.lower() not in self._paths[template]:
            return [f"{_name(exchange)}: Discord has no such route"]
        item = self._paths[template]
        operation = item[exchange.method.lower()]
        declared = [*item.get("parameters", ()), *operation.get("parameters", ())]
        found = list(self._parameter_complaints(exchange, template, declared))
        content = operation.get("requestBody", {}).get("content")
        if content is None:
            found += [] if exchange.payload is None else ["a body where none belongs"]
        elif exchange.content_type not in content:
            found.append(f"a body of type {exchange.content_type!r}, which is none of {', '.join(content)}")
        else:
            # Of a multipart body the schema describes payload_json; the file fields are checked by hand.
            schema = content["application/json"]["schema"]
            mismatches = self._mismatches(f"{exchange.method} {template}", schema, _as_described(exchange))
            # The rules read the payload and count on its shape.
            found += mismatches or _file_complaints(exchange) + _rule_complaints(exchange)
        return [f"{_name(exchange)}: {complaint}" for complaint in found]

    def answer_complaints(self, exchange: Exchange) -> list[str]:
        """A status that the route can't answer with, or a body that doesn't fit it."""
        template = self._template(exchange)
        responses: dict[str, Any] = {"4XX": {"$ref": "#/components/responses/ClientErrorResponse"}}
        if template is not None:
            responses = self._paths[template].get(exchange.method.lower(), {}).get("responses", responses)
        key = str(exchange.status) if str(exchange.status) in responses else f"{str(exchange.status)[0]}XX"
        if key not in responses:
            return [f"{_name(exchange)}: answered {exchange.status}, which this route never does"]
        response = responses[key]
        if "$ref" in response:
            response = self._shared_responses[response["$ref"].rpartition("/")[2]]
        if "content" not in response:
            return [] if exchange.answer is None else [f"{_name(exchange)}: an answer where none belongs"]
        schema = response["content"]["application/json"]["schema"]
        answer = _with_numeric_codes(copy.deepcopy(exchange.answer))
        found = self._mismatches(f"{exchange.method} {template} {key}", schema, answer)
        return [f"{_name(exchange)}: answer: {complaint}" for complaint in found]

    def _template(self, exchange: Exchange) -> str | None:
        """The route of a path; of several that fit the one with most literal parts."""
        path = exchange.path.split("/")
        fitting = [t for t in self._paths if _fits(t.split("/"), path)]
        return max(fitting, key=lambda t: sum(part[:1] != "{" for part in t.split("/")), default=None)

    def _parameter_complaints(self, exchange: Exchange, template: str, declared: Sequence[Any]) -> Iterator[str]:
        parts = zip(template.split("/"), exchange.path.split("/"), strict=True)
        values = {("path", name[1:-1]): value for name, value in parts if name[:1] == "{"}
        values |= {("query", name): value for name, value in exchange.query.items()}
        known = {(parameter["in"], parameter["name"]): parameter["schema"] for parameter in declared}
        for (place, name), value in values.items():
            if (place, name) not in known:
                yield f"unknown {place} parameter {name}"
                continue
            schema = known[place, name]
            for complaint in self._mismatches(f"parameter {json.dumps(schema)}", schema, _decoded(schema, value)):
                yield f"{place} parameter {name}: {complaint}"

    def _mismatches(self, key: str, schema: dict[str, Any], instance: Any) -> list[str]:
        """What has been found faultless is not looked at again. Which snowflakes it names, does not matter to a schema,
        but for their lengths and which of them are the same."""
        numbers: dict[str, int] = {}

        def numbered(snowflake: re.Match[str]) -> str:
            return f'"{numbers.setdefault(snowflake[0], len(numbers)):0{len(snowflake[0]) - 2}}"'

        known = (key, _SNOWFLAKE.sub(numbered, json.dumps(instance)))
        if known in self._faultless:
            return []
        if key not in self._validators:
            self._validators[key] = jsonschema.Draft202012Validator(self._closed(schema), registry=self._registry)
        found = [f"{error.json_path}: {error.message[:300]}" for error in self._validators[key].iter_errors(instance)]
        if not found:
            self._faultless.add(known)
        return found

    def _closed(self, schema: Any, *, is_open: bool = False) -> Any:
        """A copy whose objects take no other keys than they declare. is_open: part of an `allOf`, closed outside."""
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            name = schema["$ref"].removeprefix(_LOCAL)
            return {"$ref": f"{_URI}{_LOCAL}{name}{_OPEN if is_open else ''}"}
        closed = {key: value for key, value in schema.items() if key not in ("oneOf", "anyOf")}
        if "properties" in schema:
            closed["properties"] = {name: self._closed(value) for name, value in schema["properties"].items()}
            if not is_open and "allOf" not in schema:
                closed.setdefault("additionalProperties", False)
        for key in ("items", "additionalProperties"):
            if key in schema:
                closed[key] = self._closed(schema[key])
        if "allOf" in schema:
            closed["allOf"] = [self._closed(branch, is_open=True) for branch in schema["allOf"]]
            if not is_open:
                closed["unevaluatedProperties"] = False
        for key in ("oneOf", "anyOf"):
            if key in schema:
                closed |= self._union(key, schema[key])
        return closed

    def _union(self, key: str, branches: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """A union. One whose branches have `type` tags of their own is decided by the tag, "X or null" by the null."""
        nulls = [branch for branch in branches if branch == {"type": "null"}]
        objects = [branch for branch in branches if branch != {"type": "null"}]
        if nulls and len(objects) == 1:
            return {"if": {"type": "null"}, "else": self._closed(objects[0])}
        tags = [self._tags(branch) for branch in objects]
        flat = [tag for some in tags for tag in some]
        if not all(tags) or len(set(flat)) < len(flat):
            return {key: [self._closed(branch) for branch in branches]}

        def tagged(values: Sequence[int]) -> dict[str, Any]:
            return {"type": "object", "properties": {"type": {"enum": list(values)}}, "required": ["type"]}

        cases = [{"if": tagged(tag), "then": self._closed(b)} for tag, b in zip(tags, objects, strict=True)]
        return {"allOf": cases, "anyOf": [*nulls, tagged(flat)]}

    def _tags(self, branch: dict[str, Any]) -> list[int]:
        if "$ref" in branch:
            branch = self._schemas[branch["$ref"].removeprefix(_LOCAL)]
        tag = branch.get("properties", {}).get("type", {})
        return list(tag.get("enum", ())) if "type" in branch.get("required", ()) else []


def _name(exchange: Exchange) -> str:
    return f"{exchange.method} {exchange.path_template or exchange.path}"


def _fits(template: Sequence[str], path: Sequence[str]) -> bool:
    return len(template) == len(path) and all(
        part == given or part[:1] == "{" for part, given in zip(template, path, strict=True)
    )


def _decoded(schema: dict[str, Any], text: str) -> Any:
    """A query parameter's text as the JSON that its schema describes."""
    if schema.get("type") == "boolean":
        return {"1": True, "true": True, "0": False, "false": False}.get(text.lower(), text)
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    return text


def _as_described(exchange: Exchange) -> Any:
    """The payload without the habits of discord.py 2.7 that Discord takes and its description doesn't mention."""
    payload = copy.deepcopy(exchange.payload)
    message = _message_in(exchange, payload)
    for attachment in (message or {}).get("attachments") or ():
        if isinstance(attachment.get("id"), int):
            attachment["id"] = str(attachment["id"])
        if "url" in attachment:  # one that is kept: sent back whole, where its id would do
            for key in _KEPT_ATTACHMENT:
                attachment.pop(key, None)
    for embed in (message or {}).get("embeds") or ():
        embed.pop("flags", None)
    for component in parts.walk((message or {}).get("components") or ()):
        for value in component.get("default_values") or ():
            value["id"] = str(value["id"])
    is_update = exchange.method == "PATCH" or (isinstance(payload, dict) and payload.get("type") == 7)
    if message is not None and is_update:
        message.pop("tts", None)
    if _is_commands(exchange) and isinstance(payload, list):
        for command in payload:
            command.pop("nsfw", None)
    if exchange.path == "/users/@me/channels" and isinstance(payload.get("recipient_id"), int):
        payload["recipient_id"] = str(payload["recipient_id"])
    return payload


def _is_commands(exchange: Exchange) -> bool:
    return exchange.method == "PUT" and exchange.path.endswith("/commands")


def _message_in(exchange: Exchange, payload: Any) -> dict[str, Any] | None:
    """The message that a payload sends or changes, if it does."""
    if not isinstance(payload, dict) or exchange.method not in ("POST", "PATCH"):
        return None
    if exchange.path.startswith("/interactions/"):
        data = payload.get("data")
        return data if payload.get("type") in (4, 7) and isinstance(data, dict) else None
    return payload if exchange.path.startswith(("/webhooks/", "/channels/")) else None


def _with_numeric_codes(answer: Any) -> Any:
    """The reference documentation writes the codes of form errors as words; the description says numbers."""
    if isinstance(answer, dict):
        for key, value in answer.items():
            _with_numeric_codes(value)
            if key == "_errors":
                value[:] = [error | {"code": 0} if isinstance(error.get("code"), str) else error for error in value]
    return answer


def _file_complaints(exchange: Exchange) -> list[str]:
    """File fields must be files[0] to files[9], and a list of attachments must name each of them."""
    found = [f"a file in the field {field}" for field, _, _ in exchange.files if not _FILE_FIELD.fullmatch(field)]
    message = _message_in(exchange, exchange.payload)
    if message is not None and message.get("attachments") is not None:
        listed = {f"files[{attachment['id']}]" for attachment in message["attachments"]}
        found += [f"{field} is in no attachment" for field, _, _ in exchange.files if field not in listed]
    return found


def _rule_complaints(exchange: Exchange) -> list[str]:
    """Discord's rules that no schema expresses."""
    payload = exchange.payload
    problems: list[rules.Problem] = []
    message = _message_in(exchange, payload)
    if message is not None:
        content, embeds = message.get("content"), message.get("embeds") or ()
        components, attachments = message.get("components") or (), message.get("attachments") or ()
        num_files = max(len(attachments), len(exchange.files))
        is_v2 = bool((message.get("flags") or 0) & COMPONENTS_V2)
        problems += rules.check_message(content, embeds, components, num_files, is_v2)
        is_empty = not (content or embeds or components or num_files or message.get("poll"))
        is_new = exchange.method == "POST" and payload.get("type") != 7
        if is_empty and is_new:
            problems.append(rules.Problem("", "EMPTY", "an empty message"))
    elif _is_commands(exchange):
        problems += rules.check_commands(payload)
    elif isinstance(payload, dict) and exchange.path.startswith("/interactions/") and payload.get("type") == 9:
        problems += rules.check_modal(payload["data"])
    return [f"{problem.path}: {problem.message}" for problem in problems]
