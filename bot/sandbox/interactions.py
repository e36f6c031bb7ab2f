"""Interactions and their clocks: 3 seconds to acknowledge, 15 minutes of life for the token.

The player opens them, the routes answer them; all on the sandbox's event loop.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, takewhile
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
from bot.sandbox.files import UploadedFile
from bot.sandbox.guild import Channel, Member, Place
from bot.sandbox.happenings import Board, Happening, HappeningKind
from bot.sandbox.interaction import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL_SUBMIT, Interaction, interaction_json
from bot.sandbox.message_store import MessageStore, Placement
from bot.sandbox.messages import DEFAULT_MESSAGE, EPHEMERAL, Message, Origin
from bot.sandbox.objects import user_json
from bot.sandbox.world import World

ACKNOWLEDGE_S: Final = 3.0
TOKEN_LIFE_S: Final = 15 * 60.0
MAX_INTERACTIONS: Final = 10_000
MAX_FOLLOW_UPS_BROUGHT: Final = 5
NOT_RESPONDING: Final = "The application did not respond"

MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9
MAX_CHOICES: Final = 25


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
        self._keep(interaction)
        return interaction

    def deliver(self, interaction: Interaction) -> None:
        """Sends it to the client and starts its clock."""
        self.before_delivery()
        self._dispatch("INTERACTION_CREATE", interaction_json(self._world, interaction, self._message_json))
        self._start_clock(interaction)

    def alive(self, limit: int) -> tuple[Interaction, ...]:
        """The newest whose tokens still count, at most that many, oldest first."""
        newest = islice(reversed(self._by_id.values()), limit)
        after_s = self._clock.now() - TOKEN_LIFE_S
        return tuple(reversed(tuple(takewhile(lambda interaction: interaction.created_s > after_s, newest))))

    def restore(self, interactions: Iterable[Interaction]) -> None:
        """Has these interactions, oldest first; their clocks go on where they were."""
        for interaction in interactions:
            self._keep(interaction)
            self._start_clock(interaction)

    def _keep(self, interaction: Interaction) -> None:
        self._by_id[interaction.id] = interaction
        self._by_token[interaction.token] = interaction
        if len(self._by_id) > MAX_INTERACTIONS:
            _, oldest = self._by_id.popitem(last=False)
            del self._by_token[oldest.token]

    def _start_clock(self, interaction: Interaction) -> None:
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
