"""What /stats answers: numbers and the words that prompts are made of. Pure."""

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from bot.language import Language, Text
from bot.message_text import escape
from bot.store.statistics import MAX_COUNTED, Statistics

MAX_WORDS: Final = 8

_WORD: Final = re.compile(r"[^\W\d_]{3,30}")
# In nearly every prompt, and telling nothing.
_ENGLISH: Final = (
    "and are at before behind below but for from has have her his how in inside into its near next not off on one onto "
    "our out over she that the their them there these they this those through too two under upon very was were what "
    "when where which while who with without you your"
)
_GERMAN: Final = (
    "als am an auch auf aus bei bis das dem den der des die durch ein eine einem einen einer eines er es für hat ich "
    "hinter ihr im ist mit nach neben nicht noch oder ohne sein sich sie sind über um und unter vom von vor wie wird "
    "zu zum zur zwei zwischen"
)
_LITTLE_WORDS: Final = frozenset([*_ENGLISH.split(), *_GERMAN.split()])


def stats_text(own: tuple[Text, Statistics], guild: Statistics, language: Language) -> str:
    """own: of one member, below a heading of that text."""
    heading, of_member = own
    parts = [_part(heading, of_member, language)]
    parts.append(_part(Text("In this server, as far as you can see it"), guild, language))
    return "\n".join(parts)


def most_used_words(prompts: Sequence[str]) -> list[tuple[str, int]]:
    """The words that most prompts have, with the number of those prompts; at most MAX_WORDS."""
    counted = Counter(word for prompt in prompts for word in set(_words(prompt)))
    return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_WORDS]


def _words(prompt: str) -> Iterator[str]:
    return (word for word in _WORD.findall(prompt.lower()) if word not in _LITTLE_WORDS)


def _part(heading: Text, told: Statistics, language: Language) -> str:
    lines = [f"### {language.tell(heading)}"]
    if not told.num_results:
        return "\n".join([*lines, language.text("No results yet.")])
    lines += [
        language.text("Results: {count}", count=told.num_results),
        language.text("Pictures: {count}", count=told.num_pictures),
        language.text("Favourites among them: {count}", count=told.num_favourites),
        language.text("Median time from the question to the pictures: {time}", time=_time(told.waits_s)),
    ]
    words = [f"{escape(word)} ({count})" for word, count in most_used_words(told.prompts)]
    if words:
        lines.append(language.text("Words in most prompts: {words}", words=", ".join(words)))
    if told.is_cut:
        lines.append(language.text("-# Only the newest {count} results were counted.", count=MAX_COUNTED))
    return "\n".join(lines)


def _time(waits_s: Sequence[float]) -> Text:
    median_s = statistics.median(waits_s)
    if median_s < 90:
        return Text("{seconds:.1f} s", seconds=median_s)
    return Text("{minutes:.0f} min", minutes=median_s / 60)
