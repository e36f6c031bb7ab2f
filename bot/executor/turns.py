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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from typing import Generic, TypeVar

JobT = TypeVar("JobT")


@dataclass(frozen=True, slots=True)
class Place(Generic[JobT]):
    """A job that waits. num_images counts against the guild, and divided by `weight` against the user."""

    job: JobT
    guild: str
    user: str
    num_images: int
    weight: float


@dataclass(frozen=True, order=True, slots=True)
class _Ticket(Generic[JobT]):
    """A place and its tag. number: counts the places as they were taken."""

    tag: float
    number: int
    place: Place[JobT] = field(compare=False)


@dataclass(eq=False, slots=True)
class _Guild(Generic[JobT]):
    """A guild in which jobs wait. tickets: in the order of their turns. started: its own tag, among the guilds, up to
    which it has started jobs. started_tag: tag, within the guild, of the job that started last."""

    weight: float
    started: float
    started_tag: float = 0.0
    tickets: list[_Ticket[JobT]] = field(default_factory=list)

    def add(self, place: Place[JobT], number: int) -> None:
        """Puts a job behind those of its user."""
        own_tags = (ticket.tag for ticket in reversed(self.tickets) if ticket.place.user == place.user)
        start = next(own_tags, self.started_tag)
        insort(self.tickets, _Ticket(start + place.num_images / place.weight, number, place))

    def take(self) -> JobT:
        """Takes out the job whose turn it is."""
        ticket = self.tickets.pop(0)
        self.started_tag = ticket.tag
        self.started += ticket.place.num_images / self.weight
        return ticket.place.job

    def remove(self, ticket: _Ticket[JobT]) -> None:
        """Takes out any job. Its user's jobs behind it move up, as if they had come now."""
        behind = [t for t in self.tickets if t > ticket and t.place.user == ticket.place.user]
        for each in (ticket, *behind):
            self.tickets.remove(each)
        for each in behind:
            self.add(each.place, each.number)

    def turns(self) -> Iterator[tuple[float, int, JobT]]:
        """For each job its tag among the guilds, a number that settles ties, and the job; in order."""
        tag = self.started
        for ticket in self.tickets:
            tag += ticket.place.num_images / self.weight
            yield tag, ticket.number, ticket.place.job


class Turns(Generic[JobT]):
    """Jobs that wait. guild_weights: a guild's share relative to others; 1.0 for those that it does not name."""

    def __init__(self, guild_weights: Mapping[str, float]) -> None:
        self._guild_weights = dict(guild_weights)
        self._guilds: dict[str, _Guild[JobT]] = {}
        self._started_tag = 0.0
        self._num_added = 0

    def __len__(self) -> int:
        return sum(len(guild.tickets) for guild in self._guilds.values())

    def __iter__(self) -> Iterator[JobT]:
        """The jobs in the order in which they start if nobody else comes."""
        return (job for _, _, job in merge(*(guild.turns() for guild in self._guilds.values())))

    def add(self, place: Place[JobT]) -> None:
        """Lets a job wait."""
        guild = self._guilds.get(place.guild)
        if guild is None:
            guild = _Guild(self._guild_weights.get(place.guild, 1.0), self._started_tag)
            self._guilds[place.guild] = guild
        guild.add(place, self._num_added)
        self._num_added += 1

    def take(self) -> JobT:
        """Takes out the job whose turn it is. Raises ValueError if there is none."""
        key = min(self._guilds, key=lambda key: next(self._guilds[key].turns())[:2])
        guild = self._guilds[key]
        job = guild.take()
        self._started_tag = max(self._started_tag, guild.started)
        self._forget_if_empty(key)
        return job

    def remove(self, job: JobT) -> bool:
        """Takes out any job. False if it does not wait."""
        for key, guild in self._guilds.items():
            ticket = next((ticket for ticket in guild.tickets if ticket.place.job is job), None)
            if ticket is not None:
                guild.remove(ticket)
                self._forget_if_empty(key)
                return True
        return False

    def clear(self) -> None:
        """Forgets every job."""
        self._guilds.clear()
        self._started_tag = 0.0

    def _forget_if_empty(self, key: str) -> None:
        if not self._guilds[key].tickets:
            del self._guilds[key]
        if not self._guilds:
            # Tags only compare with each other, and small ones are exact.
            self._started_tag = 0.0
