"""REST routes that answer interactions: the callback, `@original` and follow-ups. Sandbox's event loop."""

from typing import Any

from bot.sandbox.calls import Call, Route
from bot.sandbox.errors import unknown
from bot.sandbox.interaction import Interaction
from bot.sandbox.interactions import MESSAGE, UPDATE, InteractionDesk
from bot.sandbox.message_store import MessageStore
from bot.sandbox.messages import Message, MessageJson


class InteractionRoutes:
    """These addresses hold the interaction's own token; no other is asked for."""

    def __init__(self, desk: InteractionDesk, messages: MessageStore, message_json: MessageJson) -> None:
        self._desk = desk
        self._messages = messages
        self._json = message_json

    def routes(self) -> list[Route]:
        callback = "/interactions/{interaction_id}/{interaction_token}/callback"
        webhook = "/webhooks/{webhook_id}/{webhook_token}"
        table = [
            ("POST", callback, self._acknowledge),
            ("POST", webhook, self._follow_up),
            ("GET", f"{webhook}/messages/@original", self._get),
            ("PATCH", f"{webhook}/messages/@original", self._edit),
            ("DELETE", f"{webhook}/messages/@original", self._delete),
            ("GET", f"{webhook}/messages/{{message_id}}", self._get),
            ("PATCH", f"{webhook}/messages/{{message_id}}", self._edit),
            ("DELETE", f"{webhook}/messages/{{message_id}}", self._delete),
        ]
        return [Route(method, template, handler, needs_token=False) for method, template, handler in table]

    def _acknowledge(self, call: Call) -> dict[str, Any] | None:
        interaction_id, token = call.params["interaction_id"], call.params["interaction_token"]
        interaction, message = self._desk.acknowledge(interaction_id, token, call.form, call.files)
        if not call.is_set("with_response"):
            return None
        about: dict[str, Any] = {"id": interaction.id, "type": interaction.kind}
        answer: dict[str, Any] = {"interaction": about}
        if message is not None:
            about["response_message_id"] = message.id
            about["response_message_loading"] = message.is_loading
            about["response_message_ephemeral"] = message.viewer_id is not None
        if message is not None and interaction.acknowledgement in (MESSAGE, UPDATE):
            answer["resource"] = {"type": interaction.acknowledgement, "message": self._json.message(message)}
        return answer

    def _interaction(self, call: Call) -> Interaction:
        return self._desk.with_token(call.params["webhook_id"], call.params["webhook_token"])

    def _target(self, call: Call) -> tuple[Interaction, Message]:
        """The message that a call is about. Raises ApiError 10008 unless this interaction made or owns it."""
        interaction = self._interaction(call)
        if "message_id" not in call.params:
            return interaction, self._desk.original(interaction)
        message = self._messages.get(call.params["message_id"])
        is_own = message.origin is not None and message.origin.interaction_id == interaction.id
        if not is_own and message.id != interaction.original_id:
            raise unknown("Message")
        return interaction, message

    def _follow_up(self, call: Call) -> dict[str, Any]:
        message = self._desk.follow_up(self._interaction(call), call.form, call.files)
        return self._json.message(message)

    def _get(self, call: Call) -> dict[str, Any]:
        return self._json.message(self._target(call)[1])

    def _edit(self, call: Call) -> dict[str, Any]:
        interaction, message = self._target(call)
        return self._json.message(self._messages.edit(message, call.form, call.files, by=interaction.id))

    def _delete(self, call: Call) -> None:
        interaction, message = self._target(call)
        self._messages.delete(message, by=interaction.id)
