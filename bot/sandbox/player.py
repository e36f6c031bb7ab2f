"""A member of the sandbox's guild who plays lines and notes what can be seen. Sandbox's event loop."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from itertools import islice
from typing import Any, Final

from discord import Permissions

from bot.sandbox.actions import Actions
from bot.sandbox.album import Album
from bot.sandbox.automod import automod_rule
from bot.sandbox.errors import ApiError, LineError
from bot.sandbox.fault_injector import FaultInjector
from bot.sandbox.fault_plan import FaultPlan
from bot.sandbox.files import read_uploads
from bot.sandbox.finality import Judge, Patience, is_at_work
from bot.sandbox.forms import modal_text
from bot.sandbox.guild import Place
from bot.sandbox.happenings import Board, Happening, HappeningKind
from bot.sandbox.interaction import Interaction
from bot.sandbox.interactions import DEFERRED_UPDATE, UPDATE, InteractionDesk
from bot.sandbox.lines import As, AutoMod, Begin, FollowFaults, Give, Happens, In, Look, Say, Take, Wait, parse_line
from bot.sandbox.markdown import as_read
from bot.sandbox.message_store import MessageStore
from bot.sandbox.messages import Message, shown_text
from bot.sandbox.mishaps import Mishaps
from bot.sandbox.role_changes import change_roles
from bot.sandbox.scrapbook import Entry, Form, Remark, Said, Scrapbook
from bot.sandbox.transcript import Event, EventKind
from bot.sandbox.watching import see, until_final
from bot.sandbox.world import World

MAX_TIMEOUT_S: Final = 3600.0
MAX_LOOKED_AT: Final = 10
_KINDS: Final = {
    HappeningKind.MESSAGE: EventKind.MESSAGE,
    HappeningKind.EDIT: EventKind.EDIT,
    HappeningKind.DELETE: EventKind.DELETE,
    HappeningKind.DEFERRED: EventKind.ACK,
    HappeningKind.MODAL: EventKind.MODAL,
    HappeningKind.CHOICES: EventKind.ACK,
    HappeningKind.FAILURE: EventKind.FAILURE,
}


class Player:
    """Plays one line at a time; remembers who and where it is, and the form that is open.

    dispatch: sends an event to clients with one of the intents."""

    def __init__(
        self,
        world: World,
        desk: InteractionDesk,
        actions: Actions,
        board: Board,
        messages: MessageStore,
        album: Album,
        patience: Patience,
        dispatch: Callable[[str, dict[str, Any], int], bool],
        mishaps: Mishaps,
        faults: FaultInjector,
    ) -> None:
        self._world = world
        self._mishaps = mishaps
        self._faults = faults
        self._messages = messages
        self._desk = desk
        self._actions = actions
        self._board = board
        self._album = album
        self._patience = patience
        self._dispatch = dispatch
        self._member = world.member_named("user")
        self._channel = world.first_channel(self._member)
        self._form: Interaction | None = None
        self._is_playing = False
        self._scrapbook = Scrapbook()

    @property
    def seen(self) -> tuple[Entry, ...]:
        """What was said and seen so far."""
        return self._scrapbook.entries

    async def play(self, line: str, timeout_s: float) -> AsyncGenerator[Event, None]:
        """What is seen after `line`, as it happens; ends when the answer is final (see finality.py) or time is up.

        Raises LineError if the line can't be played, or another one still is."""
        if self._is_playing:
            raise LineError("This player still plays another line: wait for its end, or use another player.")
        self._is_playing = True
        try:
            async for event in self._events(line, min(timeout_s, MAX_TIMEOUT_S)):
                yield event
        finally:
            self._is_playing = False

    async def _events(self, line: str, timeout_s: float) -> AsyncGenerator[Event, None]:
        start_s = asyncio.get_running_loop().time()
        yield Event(0.0, EventKind.SAY, line)
        action = parse_line(line)
        if isinstance(action, As):
            self._member = self._world.member_named(action.name)
            if self._channel.place is Place.DIRECT:
                self._channel = self._world.direct_channel(self._member)
            note = f"now playing as {self._member.name}"
            if action.locale is not None:
                self._member = self._world.speaking(self._member, action.locale)
                note += f" in {action.locale}"
            yield Event(0.0, EventKind.NOTE, note)
        elif isinstance(action, Give | Take):
            self._member, note = change_roles(action, self._member, self._world, self._dispatch)
            yield Event(0.0, EventKind.NOTE, note)
        elif isinstance(action, AutoMod):
            self._world.automod_rules.append(automod_rule(self._world, self._member, action.text))
            yield Event(0.0, EventKind.NOTE, f"AutoMod looks for {action.text}")
        elif isinstance(action, In):
            self._channel = self._world.place_named(action.channel, self._member)
            yield Event(0.0, EventKind.NOTE, f"now in {self._channel.name}")
        elif isinstance(action, Happens):
            self._mishaps.happen_to(action.what, action.name, self._channel.name)
            yield Event(0.0, EventKind.NOTE, line.strip(" ").removeprefix("happens").strip(" "))
        elif isinstance(action, FollowFaults):
            self._faults.follow(None if action.seed is None else FaultPlan(action.seed))
            yield Event(0.0, EventKind.NOTE, "no more faults" if action.seed is None else "faults from now on")
        elif isinstance(action, Say):
            yield self._say(action.text)
        elif isinstance(action, Look):
            async for event in self._look(start_s, timeout_s):
                yield event
        elif isinstance(action, Wait):
            async for event in self._watch(start_s, min(action.seconds, timeout_s)):
                yield event
            if action.seconds > timeout_s:
                yield Event(timeout_s, EventKind.TIMEOUT, f"Stopped waiting after {timeout_s:g} s.")
        else:
            is_begun = isinstance(action, Begin)
            self._scrapbook.add(Said(self._member, self._channel.name, line.strip(" ").removeprefix("begin ")))
            # What the channel is now: its permissions may have changed.
            self._channel = self._world.channels.get(self._channel.id, self._channel)
            done = action.action if isinstance(action, Begin) else action
            paths = self._actions.paths(done, self._member, self._channel)
            uploads = await asyncio.to_thread(read_uploads, paths) if paths else {}
            interaction = self._actions.begin(done, self._member, self._channel, self._form, uploads)
            async with aclosing(self._answer(interaction, start_s, timeout_s)) as answers:
                async for event in answers:
                    yield event
                    if is_begun:
                        return

    def _say(self, text: str) -> Event:
        """Posts a message of the member's. Raises LineError where it may not write."""
        if not Permissions(self._world.permissions(self._member, self._channel)).send_messages:
            raise LineError(f"{self._member.name} may not write in {self._channel.name}.")
        try:
            message = self._messages.say(self._member, self._channel.id, text)
        except ApiError as error:
            raise LineError(f"Discord does not take this message: {error.message}.") from error
        self._scrapbook.see(message)
        seen = as_read(shown_text(message), self._world.name_of, self._world.now())
        return Event(0.0, EventKind.MESSAGE, seen, message_id=message.id)

    async def _watch(self, start_s: float, seconds: float) -> AsyncGenerator[Event, None]:
        """Everything that can be seen in the channel for a while."""
        with self._board.subscription() as queue:
            while True:
                try:
                    async with asyncio.timeout_at(start_s + seconds):
                        happening = await queue.get()
                except TimeoutError:
                    return
                if happening.message is not None and self._can_see(happening.message):
                    for event in await self._seen(happening, start_s):
                        yield event

    async def _answer(self, interaction: Interaction, start_s: float, timeout_s: float) -> AsyncGenerator[Event, None]:
        judge = Judge(self._patience)
        if interaction.source is not None:
            judge.see_before(interaction.source)
        related = _targets(interaction)
        loop = asyncio.get_running_loop()
        with self._board.subscription() as queue:
            self._desk.deliver(interaction)
            async with aclosing(until_final(judge, queue, start_s, timeout_s)) as happenings:
                async for happening in happenings:
                    if isinstance(happening, Event):
                        yield happening
                    elif self._concerns(happening, interaction, related):
                        self._judge(judge, happening, interaction, loop.time())
                        for event in await self._seen(happening, start_s):
                            yield event

    async def _look(self, start_s: float, timeout_s: float) -> AsyncGenerator[Event, None]:
        """The newest messages of the channel, and what becomes of those that the bot is at work on."""
        judge, loop = Judge(self._patience), asyncio.get_running_loop()
        with self._board.subscription() as queue:
            visible = (m for m in self._messages.newest_first(self._channel.id) if m.is_visible_to(self._member.id))
            newest = tuple(islice(visible, MAX_LOOKED_AT))
            # A bot that was killed while it was thinking may never have heard what about.
            awaited = {message.id for message in newest if is_at_work(message) and not message.is_loading}
            for message in reversed(newest):
                if message.id in awaited:
                    judge.see(message, loop.time())
                for event in await self._seen(Happening(HappeningKind.MESSAGE, message), start_s):
                    yield event
            if not awaited:
                return
            async with aclosing(until_final(judge, queue, start_s, timeout_s)) as happenings:
                async for happening in happenings:
                    if isinstance(happening, Event):
                        yield happening
                    elif happening.message is not None and self._can_see(happening.message):
                        if happening.message.id in awaited:
                            see(judge, happening.kind, happening.message, loop.time())
                        for event in await self._seen(happening, start_s):
                            yield event

    def _concerns(self, happening: Happening, interaction: Interaction, related: set[str]) -> bool:
        """Whether a happening belongs to the answer; `related` collects the ids of its messages."""
        message = happening.message
        is_own = happening.interaction_id == interaction.id
        if message is None:
            return is_own
        if message.origin is not None and message.origin.interaction_id == interaction.id:
            is_own = True
        # A message without origin was posted to the channel with the bot's own token.
        is_post = happening.kind is HappeningKind.MESSAGE and message.origin is None and self._can_see(message)
        if is_own or is_post:
            related.add(message.id)
        return message.id in related and message.is_visible_to(self._member.id)

    def _judge(self, judge: Judge, happening: Happening, interaction: Interaction, now_s: float) -> None:
        message = happening.message
        if happening.kind is HappeningKind.MODAL:
            self._form = interaction
        if happening.kind in (HappeningKind.MODAL, HappeningKind.CHOICES, HappeningKind.FAILURE):
            judge.see_end()
        elif message is None:
            judge.see_deferred_update(now_s)
        # The progress of a job must not hold up the answer to a click on its message.
        elif (
            happening.kind is HappeningKind.DELETE
            or message.id not in _targets(interaction)
            or interaction.acknowledgement in (UPDATE, DEFERRED_UPDATE)
        ):
            see(judge, happening.kind, message, now_s)

    def _can_see(self, message: Message) -> bool:
        is_here = message.channel_id == self._channel.id
        return (is_here or self._is_direct(message)) and message.is_visible_to(self._member.id)

    def _is_direct(self, message: Message) -> bool:
        return message.channel_id == self._world.direct_channel(self._member).id

    async def _seen(self, happening: Happening, start_s: float) -> list[Event]:
        """The event of a happening, and a note for each attachment that can't be saved."""
        message, text = happening.message, happening.text
        kind = _KINDS[happening.kind]
        if happening.is_acknowledgement and happening.kind is not HappeningKind.MODAL:
            kind = EventKind.ACK
        t_s = round(asyncio.get_running_loop().time() - start_s, 3)
        if happening.modal is not None:
            text = modal_text(happening.modal)
        if message is None:
            self._keep(happening)
            return [Event(t_s, kind, text)]
        is_deleted = happening.kind is HappeningKind.DELETE
        self._scrapbook.see(message, is_direct=self._is_direct(message), is_deleted=is_deleted)
        files, notes = list[str](), list[Event]()
        for attachment in message.attachments if not is_deleted else ():
            try:
                files.append(await self._album.add(attachment))
            except OSError as error:
                complaint = f"{attachment.filename} can't be saved: {error.strerror}."
                notes.append(Event(t_s, EventKind.NOTE, complaint, message_id=message.id))
        seen = as_read(shown_text(message), self._world.name_of, self._world.now())
        if self._is_direct(message) and message.channel_id != self._channel.id:
            seen = f"Direct message:\n{seen}"
        return [Event(t_s, kind, seen, tuple(files), message.viewer_id is not None, message.id), *notes]

    def _keep(self, happening: Happening) -> None:
        """For the scrapbook: what is to be seen beside messages."""
        if happening.modal is not None:
            self._scrapbook.add(Form(happening.modal))
        elif happening.text:
            is_failure = happening.kind is HappeningKind.FAILURE
            self._scrapbook.add(Remark(happening.text, is_failure))


def _targets(interaction: Interaction) -> set[str]:
    """The messages that were clicked on, or that a menu was opened on."""
    targets = {interaction.source.id} if interaction.source is not None else set()
    return targets | set(interaction.data.get("resolved", {}).get("messages", {}))
