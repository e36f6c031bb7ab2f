"""Who is next: weighted fair queueing over guilds, and over the users of each guild. Pure; the scheduler's order.

Self-clocked fair queueing (S. J. Golestani, "A self-clocked fair queueing scheme for broadband applications", INFOCOM
1994), where the length of a job is its number of images. In a guild every waiting job has a tag. The smallest one is
next; of equal ones, the job that came first:

    tag = max(tag of the job that started last, tag of the same user's job before it) + images / weight

No tag ever lies below the one that started last, so nobody gains by having been idle. Guilds take turns in the same
way; the length that counts is that of the job which is next in the guild.

**Bounded waiting.** From the moment a job waits until it starts, at most this many images of other users start:

    I + (g - 1) * (c + V / v * (I + x)) + c        where        I = (n - 1) * (c + W / w * x)

c: most images of a job. x: images of the job and of those of its user that wait before it. w: the smallest weight of
these. W: the largest weight of the jobs that wait in its guild meanwhile, n: the greatest number of them at one time.
v: the weight of its guild. V: the largest weight of the guilds that wait meanwhile, g: the greatest number of them at
one time. With equal weights this is (g * n - 1) * (c + x) + c. Images that start again after a failure of the device
come on top.

Why: the job's tag is at most x / w above the one that started last. Think of n places to wait in. Whoever takes the
place of a job that has started gets a tag above that one's by at least its own length. So the jobs that start from one
place have at most c + W / w * x images: c for the first, the rest for all others. That gives I. Over guilds it is the
same, with I + x images that the guild has to start. The last c are of a job that was partly in before.
"""

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from typing import Generic, TypeVar

JobT = TypeVar("JobT")


@dataclass(frozen=True, slots=True)
class Ticket(Generic[JobT]):
    """A job that waits. num_images counts against the guild, and divided by `weight` against the user."""

    job: JobT
    guild: str
    user: str
    num_images: int
    weight: float


@dataclass(frozen=True, order=True, slots=True)
class _Waiting(Generic[JobT]):
    """A ticket and its tag. number: counts the tickets as they came; it settles ties."""

    tag: float
    number: int
    ticket: Ticket[JobT] = field(compare=False)


@dataclass(eq=False, slots=True)
class _Guild(Generic[JobT]):
    """A guild in which jobs wait; `waiting` is in the order of their turns.

    start: among the guilds, the tag up to which it has started jobs. last_tag: within it, the tag of the job that
    started last.
    """

    weight: float
    start: float
    last_tag: float = 0.0
    waiting: list[_Waiting[JobT]] = field(default_factory=list)

    def add(self, ticket: Ticket[JobT], number: int) -> None:
        """Puts a job behind those of its user."""
        own_tags = (each.tag for each in reversed(self.waiting) if each.ticket.user == ticket.user)
        start = next(own_tags, self.last_tag)
        insort(self.waiting, _Waiting(start + ticket.num_images / ticket.weight, number, ticket))

    def take(self) -> JobT:
        """Takes out the job whose turn it is."""
        first = self.waiting.pop(0)
        self.last_tag = first.tag
        self.start += first.ticket.num_images / self.weight
        return first.ticket.job

    def remove(self, gone: _Waiting[JobT]) -> None:
        """Takes out any job. Its user's jobs behind it move up, as if they had come now."""
        behind = [each for each in self.waiting if each > gone and each.ticket.user == gone.ticket.user]
        for each in (gone, *behind):
            self.waiting.remove(each)
        for each in behind:
            self.add(each.ticket, each.number)

    def turns(self) -> Iterator[tuple[float, int, JobT]]:
        """Tag among the guilds, number and job, in order."""
        tag = self.start
        for each in self.waiting:
            tag += each.ticket.num_images / self.weight
            yield tag, each.number, each.ticket.job


class Turns(Generic[JobT]):
    """Jobs that wait. guild_weights: a guild's share relative to others; 1.0 for those that it does not name."""

    def __init__(self, guild_weights: Mapping[str, float]) -> None:
        self._guild_weights = dict(guild_weights)
        self._guilds: dict[str, _Guild[JobT]] = {}
        self._last_tag = 0.0
        self._num_added = 0

    def __len__(self) -> int:
        return sum(len(guild.waiting) for guild in self._guilds.values())

    def __iter__(self) -> Iterator[JobT]:
        """The jobs in the order in which they start if nobody else comes."""
        return (job for _, _, job in merge(*(guild.turns() for guild in self._guilds.values())))

    def demand(self, also: Iterable[str] = ()) -> float:
        """The weight of all guilds in which jobs wait, and of those in `also`."""
        return sum(self._weight(guild) for guild in {*self._guilds, *also})

    def add(self, ticket: Ticket[JobT]) -> None:
        """Lets a job wait."""
        guild = self._guilds.get(ticket.guild)
        if guild is None:
            guild = _Guild(self._weight(ticket.guild), self._last_tag)
            self._guilds[ticket.guild] = guild
        guild.add(ticket, self._num_added)
        self._num_added += 1

    def take(self) -> JobT:
        """Takes out the job whose turn it is. Raises ValueError if there is none."""
        key = min(self._guilds, key=lambda key: next(self._guilds[key].turns())[:2])
        guild = self._guilds[key]
        job = guild.take()
        self._last_tag = max(self._last_tag, guild.start)
        self._forget_if_empty(key)
        return job

    def remove(self, job: JobT) -> bool:
        """Takes out any job. False if it does not wait."""
        for key, guild in self._guilds.items():
            found = next((each for each in guild.waiting if each.ticket.job is job), None)
            if found is not None:
                guild.remove(found)
                self._forget_if_empty(key)
                return True
        return False

    def clear(self) -> None:
        """Forgets every job."""
        self._guilds.clear()
        self._last_tag = 0.0

    def _weight(self, guild: str) -> float:
        return self._guild_weights.get(guild, 1.0)

    def _forget_if_empty(self, key: str) -> None:
        if not self._guilds[key].waiting:
            del self._guilds[key]
        if not self._guilds:
            # Tags only compare with each other, and small ones are exact.
            self._last_tag = 0.0
