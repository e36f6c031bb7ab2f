"""The grammar of the lines that a player plays. Pure.

/imagine prompt:a red circle images:4    a slash command with its options
type /imagine prompt:a circle style:o    what is suggested for the last option while it is typed
click LABEL                              the newest button with that label
choose VALUE                             the newest select that offers that value or label
choose #CHANNEL, #CHANNEL                the newest select of channels; of roles with @ROLE, @ROLE
choose PLACEHOLDER: #CHANNEL             the one with that placeholder
menu NAME                                a context menu command, on the newest message or whoever wrote it
menu NAME on MEMBER                      the same, on a member
say TEXT                                 a message of the member's own
submit LABEL:text LABEL:text             the form that is open
as NAME                                  go on as another member (moderator has Manage Server, warden moderates without)
as NAME in LOCALE                        the same, with a client in that language: de, en-US, pt-BR
give ROLE                                the member gets that role, which is made if there is none; Moderator has rights
give ROLE to NAME                        another member gets it; dalle-bot is the bot
automod WORD, *WORD*, /REGEX/, -WORD     the guild gets an AutoMod rule with these keywords; -WORD is allowed
take ROLE                                the member loses it
in CHANNEL                               go on in another channel; in `direct messages`, or where one brings the bot as
                                         an app of one's own: `abroad` and `abroad-closed` in another server, `friends`
look                                     the channel's newest messages; what is at work in one is watched to its end
wait SECONDS                             watch the channel for a while
happens WHAT                             a mishap (mishaps.py): connection dropped, session invalidated, …
happens WHAT: NAME                       one of those about somebody or something else than the channel where one is:
                                         `member left: alice`, `permission revoked: attach files`
faults SEED                              from now on a plan of faults, of requests and connection; `faults off` ends it
begin LINE                               what makes an interaction, without waiting for more than its first answer
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from discord import Locale

from bot.sandbox.errors import LineError

MAX_WAIT_S: Final = 3600.0
LOCALES: Final = tuple(locale.value for locale in Locale)


@dataclass(frozen=True, slots=True)
class Slash:
    """text: everything behind the slash."""

    text: str


@dataclass(frozen=True, slots=True)
class Type:
    """text: everything behind the slash, up to where the cursor is."""

    text: str


@dataclass(frozen=True, slots=True)
class Click:
    label: str


@dataclass(frozen=True, slots=True)
class Choose:
    value: str


@dataclass(frozen=True, slots=True)
class Menu:
    """member: whom it is opened on; None for the newest message or whoever wrote it."""

    name: str
    member: str | None = None


@dataclass(frozen=True, slots=True)
class Say:
    text: str


@dataclass(frozen=True, slots=True)
class Submit:
    """text: `LABEL:value` pairs."""

    text: str


@dataclass(frozen=True, slots=True)
class As:
    """locale: what the member's client is set to from now on; None leaves it."""

    name: str
    locale: str | None = None


@dataclass(frozen=True, slots=True)
class Give:
    """member: who gets it; None for whoever plays."""

    role: str
    member: str | None = None


@dataclass(frozen=True, slots=True)
class AutoMod:
    """text: what its rule looks for."""

    text: str


@dataclass(frozen=True, slots=True)
class Take:
    role: str


@dataclass(frozen=True, slots=True)
class In:
    channel: str


@dataclass(frozen=True, slots=True)
class Look:
    pass


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


@dataclass(frozen=True, slots=True)
class Happens:
    """name: whom or what it is about; None for the channel where the player is, or nobody."""

    what: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class FollowFaults:
    """seed: of the plan; None for none."""

    seed: int | None


Action = Slash | Type | Click | Choose | Menu | Submit
"""What makes an interaction."""


@dataclass(frozen=True, slots=True)
class Begin:
    """An action whose further answers aren't waited for, as people do who have more to say."""

    action: Action


Line = Action | As | Give | Take | AutoMod | In | Say | Look | Wait | Begin | Happens | FollowFaults

_VERBS: Final[dict[str, Callable[[str], Line]]] = {
    "click": Click,
    "choose": Choose,
    "submit": Submit,
    "say": Say,
    "automod": AutoMod,
    "take": Take,
    "in": In,
}


def parse_line(line: str) -> Line:
    """Raises LineError, with the forms that a line can have, if it has none of them."""
    text = line.strip(" ")
    if text.startswith("/") and len(text) > 1:
        return Slash(text[1:])
    verb, _, rest = text.partition(" ")
    rest = rest.strip(" ")
    if verb == "type" and len(rest) > 1 and rest.startswith("/"):
        return Type(rest[1:])
    if verb == "as" and rest:
        return _member(rest)
    if verb == "give" and rest:
        role, _, member = rest.partition(" to ")
        return Give(role.strip(" "), member.strip(" ") or None)
    if verb == "menu" and rest:
        name, separator, member = rest.rpartition(" on ")
        return Menu(name, member.strip(" ")) if separator else Menu(rest)
    if text == "look":
        return Look()
    if verb == "wait":
        return Wait(_seconds(rest))
    if verb == "happens" and rest:
        what, _, name = rest.partition(":")
        return Happens(what.strip(" "), name.strip(" ") or None)
    if verb == "faults" and (rest == "off" or rest.isdecimal()):
        return FollowFaults(None if rest == "off" else int(rest))
    if verb == "begin":
        begun = parse_line(rest)
        if isinstance(begun, Action):
            return Begin(begun)
    if verb in _VERBS and rest:
        return _VERBS[verb](rest)
    forms = "/COMMAND option:value, type /COMMAND option:value, click LABEL, choose VALUE, menu NAME"
    raise LineError(
        f"Can't play the line {line!r}; a line is one of: {forms}, menu NAME on MEMBER, submit LABEL:text, say TEXT, "
        "as NAME, as NAME in LOCALE, give ROLE, give ROLE to NAME, take ROLE, automod WORDS, in CHANNEL, "
        "look, wait SECONDS, begin LINE, happens WHAT, faults SEED, faults off."
    )


def _member(text: str) -> As:
    name, separator, locale = text.partition(" in ")
    if separator and locale not in LOCALES:
        raise LineError(f"Discord has no language {locale!r}; it has {', '.join(LOCALES)}.")
    return As(name, locale if separator else None)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MAX_WAIT_S:
        raise LineError(f"wait needs a number of seconds from 0 to {MAX_WAIT_S:g}, not {text!r}.")
    return seconds
