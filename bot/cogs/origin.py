"""Where a job comes from, as its message tells it. Pure."""

from bot.language import Text
from bot.store import JobKind, JobRecord


def message_address(job: JobRecord) -> str | None:
    """The address of a job's message, which Discord shows as a link; None if it has none that others can open."""
    if job.message_id is None or job.is_private:
        return None
    return message_link(job.guild_id, job.channel_id, job.message_id)


def message_link(guild_id: int | None, channel_id: int, message_id: int) -> str:
    """The address of any message."""
    return f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}/{message_id}"


def named(job: JobRecord) -> str:
    """A job's id, as a link to its message if there is one that others can open."""
    address = None if job.deleted_at is not None else message_address(job)
    return f"`{job.id}`" if address is None else f"[{job.id}]({address})"


def origin_text(kind: JobKind, parent: JobRecord, rank: int | None) -> Text:
    """For the message of a job of this kind. rank: which picture of `parent` it starts from, if from one."""
    if kind == "vary" and rank is not None:
        return Text("Varied from picture {rank} of job {job}.", rank=rank, job=named(parent))
    if kind == "remix":
        return Text("Remixed from job {job}.", job=named(parent))
    return Text("Drawn again after job {job}.", job=named(parent))
