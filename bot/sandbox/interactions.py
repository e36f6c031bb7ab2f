"""Interactions and their clocks: 3 seconds to acknowledge, 15 minutes of life for the token.

The player opens them, the routes answer them; all on the sandbox's event loop.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from discord import Permissions

from bot.sandbox import rules
from bot.sandbox.clock import Clock
from bot.sandbox.errors import (
    ApiError,
    already_acknowledged,
    expired_token,
    invalid_form,
    too_many_follow_ups,
    unknown,
)
from bot.sandbox.files import MAX_FILE_BYTES, UploadedFile
from bot.sandbox.guild import Channel, Member, Place
from bot.sandbox.happenings import Board, Happening, HappeningKind
from bot.sandbox.message_store import MessageStore, Placement
from bot.sandbox.messages import DEFAULT_MESSAGE, EPHEMERAL, MENU_ANSWER, SLASH_ANSWER, Message, Origin
from bot.sandbox.objects import channel_json, member_json, user_json
from bot.sandbox.world import World

ACKNOWLEDGE_S: Final = 3.0
TOKEN_LIFE_S: Final = 15 * 60.0
MAX_INTERACTIONS: Final = 10_000
MAX_FOLLOW_UPS_BROUGHT: Final = 5
NOT_RESPONDING: Final = "The application did not respond"

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 2, 3, 4, 5
MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9
MAX_CHOICES: Final = 25


@dataclass(slots=True)
class Interaction:
    """One thing that a member did. kind: Discord's interaction type; source: the message whose component was used.

    acknowledgement: the callback type that answered it, None until then. original_id: the message that `@original`
    means. modal: the form that answered it.
    """

    id: str
    kind: int
    member: Member
    channel: Channel
    created_s: float
    data: dict[str, Any]
    origin: Origin
    source: Message | None = None
    # As Discord's begin: "interaction:" in base64.
    token: str = field(default_factory=lambda: f"aW50ZXJhY3Rpb246{secrets.token_urlsafe(84)}", repr=False)
    acknowledgement: int | None = None
    is_dead: bool = False
    original_id: str | None = None
    modal: dict[str, Any] | None = None
    num_follow_ups: int = 0

    @property
    def placement(self) -> Placement:
        """Where its first answer goes, if everybody may see it."""
        is_menu = self.kind == COMMAND and self.data["type"] != 1
        kind = DEFAULT_MESSAGE if self.kind != COMMAND else MENU_ANSWER if is_menu else SLASH_ANSWER
        return Placement(self.channel.id, kind, self.origin)


class InteractionDesk:
    """Opens interactions, watches their deadlines and takes their answers.

    dispatch: sends an INTERACTION_CREATE and says whether a client was there to receive it. before_delivery: called
    before each of them.
    """

    def __init__(
        self,
        world: World,
        clock: Clock,
        board: Board,
        messages: MessageStore,
        message_json: Callable[[Message], dict[str, Any]],
        dispatch: Callable[[str, dict[str, Any]], bool],
    ) -> None:
        self._world = world
        self._clock = clock
        self._board = board
        self._messages = messages
        self._message_json = message_json
        self._dispatch = dispatch
        self._by_id: OrderedDict[str, Interaction] = OrderedDict()
        self._by_token: dict[str, Interaction] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self.before_delivery: Callable[[], None] = lambda: None

    def create(
        self,
        kind: int,
        data: dict[str, Any],
        member: Member,
        channel: Channel,
        source: Message | None = None,
        opener: Interaction | None = None,
    ) -> Interaction:
        """Makes an interaction; nobody is told until `deliver`. opener: the one whose answer was the modal."""
        interaction_id = self._world.snowflakes.new()
        metadata: dict[str, Any] = {
            "id": interaction_id,
            "type": kind,
            "user": user_json(member),
            "authorizing_integration_owners": self._world.owners(channel, member),
        }
        if kind == COMMAND and data["type"] == 3:
            metadata["target_message_id"] = data["target_id"]
        if kind == COMPONENT and source is not None:
            metadata["interacted_message_id"] = source.id
        if opener is not None:
            metadata["triggering_interaction_metadata"] = opener.origin.metadata
        origin = Origin(interaction_id, metadata)
        interaction = Interaction(interaction_id, kind, member, channel, self._clock.now(), data, origin, source)
        self._by_id[interaction.id] = interaction
        self._by_token[interaction.token] = interaction
        if len(self._by_id) > MAX_INTERACTIONS:
            _, oldest = self._by_id.popitem(last=False)
            del self._by_token[oldest.token]
        return interaction

    def deliver(self, interaction: Interaction) -> None:
        """Sends it to the client and starts its clock."""
        self.before_delivery()
        self._dispatch("INTERACTION_CREATE", self._payload(interaction))
        watcher = asyncio.create_task(self._watch(interaction), name=f"deadline of interaction {interaction.id}")
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    def is_dead(self, interaction_id: str) -> bool:
        """Whether it was not acknowledged within ACKNOWLEDGE_S, or is unknown."""
        interaction = self._by_id.get(interaction_id)
        return interaction is None or interaction.is_dead

    async def aclose(self) -> None:
        """Stops every clock."""
        for watcher in tuple(self._watchers):
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)

    def acknowledge(
        self, interaction_id: str, token: str, callback: dict[str, Any], files: Sequence[UploadedFile]
    ) -> tuple[Interaction, Message | None]:
        """Takes the first answer; returns the message that it made or changed.

        Raises ApiError 10062 if the interaction is unknown or 3 seconds old, 40060 if it is answered already."""
        interaction = self._by_id.get(interaction_id)
        if interaction is None or interaction.is_dead or not secrets.compare_digest(interaction.token, token):
            raise unknown("interaction")
        if interaction.acknowledgement is not None:
            raise already_acknowledged()
        message = self._answer(interaction, callback.get("type"), callback.get("data") or {}, files)
        interaction.acknowledgement = callback["type"]
        interaction.original_id = None if message is None else message.id
        if callback["type"] == DEFERRED_UPDATE and interaction.source is not None:
            interaction.original_id = interaction.source.id
        return interaction, message

    def with_token(self, application_id: str, token: str) -> Interaction:
        """The acknowledged interaction behind a webhook address.

        Raises ApiError 10015 if there is none, 50027 if its 15 minutes are over."""
        interaction = self._by_token.get(token)
        if interaction is None or application_id != self._world.application_id:
            raise unknown("Webhook")
        if self._clock.now() >= interaction.created_s + TOKEN_LIFE_S:
            raise expired_token()
        if interaction.acknowledgement is None:
            raise unknown("Webhook")
        return interaction

    def original(self, interaction: Interaction) -> Message:
        """The message that `@original` means. Raises ApiError 10008 if there is none."""
        if interaction.original_id is None:
            raise unknown("Message")
        return self._messages.get(interaction.original_id)

    def follow_up(self, interaction: Interaction, payload: dict[str, Any], files: Sequence[UploadedFile]) -> Message:
        """Posts a follow-up; the first one after a deferred answer takes the place of "is thinking"."""
        if interaction.acknowledgement == DEFERRED_MESSAGE:
            try:
                original = self.original(interaction)
            except ApiError:
                # It was deleted, so there is no place to take.
                original = None
            if original is not None and original.is_loading:
                return self._messages.edit(original, payload, files, by=interaction.id)
        if interaction.channel.is_brought:
            interaction.num_follow_ups += 1
            if interaction.num_follow_ups > MAX_FOLLOW_UPS_BROUGHT:
                raise too_many_follow_ups()
        viewer_id = interaction.member.id if self._is_alone(interaction, payload) else None
        place = Placement(interaction.channel.id, DEFAULT_MESSAGE, interaction.origin, viewer_id)
        return self._messages.create(place, payload, files, by=interaction.id)

    def _answer(
        self, interaction: Interaction, kind: object, data: dict[str, Any], files: Sequence[UploadedFile]
    ) -> Message | None:
        if (kind == CHOICES) != (interaction.kind == AUTOCOMPLETE):
            raise invalid_form("type", "INTERACTION_CALLBACK_TYPE", f"Type {kind} can't answer this interaction.")
        if kind == CHOICES:
            self._suggest(interaction, data.get("choices"))
            return None
        is_on_message = interaction.source is not None
        place = interaction.placement
        if self._is_alone(interaction, data):
            place = Placement(place.channel_id, place.kind, place.origin, interaction.member.id)
        if kind == MESSAGE:
            return self._messages.create(place, data, files, by=interaction.id, is_acknowledgement=True)
        if kind == DEFERRED_MESSAGE:
            return self._messages.create_loading(place, by=interaction.id)
        if kind == UPDATE and interaction.source is not None:
            message = self._messages.get(interaction.source.id)
            return self._messages.edit(message, data, files, by=interaction.id, is_acknowledgement=True)
        if kind == DEFERRED_UPDATE and is_on_message:
            self._publish(HappeningKind.DEFERRED, interaction)
            return None
        if kind == MODAL and interaction.kind != MODAL_SUBMIT:
            for problem in rules.check_modal(data):
                raise invalid_form(f"data.{problem.path}", problem.code, problem.message)
            interaction.modal = data
            self._publish(HappeningKind.MODAL, interaction)
            return None
        raise invalid_form("type", "INTERACTION_CALLBACK_TYPE", f"Type {kind} can't answer this interaction.")

    def _is_alone(self, interaction: Interaction, data: dict[str, Any]) -> bool:
        """Whether a message is for the member alone: by its flags, or as its guild has it for apps of one's own."""
        may = Permissions(self._world.permissions(interaction.member, interaction.channel))
        is_closed = interaction.channel.place is Place.FOREIGN and not may.use_external_apps
        return is_closed or bool((data.get("flags") or 0) & EPHEMERAL)

    def _suggest(self, interaction: Interaction, choices: object) -> None:
        if not isinstance(choices, list) or len(choices) > MAX_CHOICES:
            raise invalid_form("data.choices", "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_CHOICES} or fewer in length.")
        names = [choice["name"] for choice in choices]
        if not all(1 <= len(name) <= 100 for name in names):
            raise invalid_form("data.choices", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
        self._publish(HappeningKind.CHOICES, interaction, "\n".join(names) or "No options match your search.")

    def _publish(self, kind: HappeningKind, interaction: Interaction, text: str = "") -> None:
        is_answer = kind is not HappeningKind.FAILURE
        self._board.publish(Happening(kind, None, interaction.id, is_answer, text, interaction.modal))

    async def _watch(self, interaction: Interaction) -> None:
        await self._clock.sleep_until(interaction.created_s + ACKNOWLEDGE_S)
        if interaction.acknowledgement is None:
            interaction.is_dead = True
            self._publish(HappeningKind.FAILURE, interaction, NOT_RESPONDING)
        elif interaction.acknowledgement == DEFERRED_MESSAGE:
            await self._clock.sleep_until(interaction.created_s + TOKEN_LIFE_S)
            try:
                original = self.original(interaction)
            except ApiError:
                return
            if original.is_loading:
                self._publish(HappeningKind.FAILURE, interaction, NOT_RESPONDING)

    def _payload(self, interaction: Interaction) -> dict[str, Any]:
        """The INTERACTION_CREATE object."""
        world, channel, member = self._world, interaction.channel, interaction.member
        permissions, guild_id = str(world.permissions(member, channel)), world.guild_of(channel)
        payload: dict[str, Any] = {
            "id": interaction.id,
            "application_id": world.application_id,
            "type": interaction.kind,
            "token": interaction.token,
            "version": 1,
            "data": interaction.data,
            "channel_id": channel.id,
            "channel": channel_json(world, channel) | {"permissions": permissions},
            "locale": member.locale,
            "app_permissions": str(world.app_permissions(channel)),
            "entitlements": [],
            "authorizing_integration_owners": world.owners(channel, member),
            "context": channel.place.context,
            "attachment_size_limit": MAX_FILE_BYTES,
        }
        if channel.place.context == 0:
            payload |= {
                "guild_id": guild_id,
                "guild": {"id": guild_id, "locale": "en-US", "features": []},
                "guild_locale": "en-US",
                "member": member_json(world, member) | {"permissions": permissions},
            }
        else:
            payload["user"] = user_json(member)
        if interaction.source is not None:
            payload["message"] = self._message_json(interaction.source)
        return payload
