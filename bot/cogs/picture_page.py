"""One picture of a result as a message of its own: text, file and what can be done with it. Pure but for the view."""

import discord

from bot.cogs.results import KeptResult
from bot.language import Language
from bot.message_text import escape_shortened
from bot.render import Picture
from bot.store import JobRecord, StoredImage
from bot.views.custom_id import Action, CustomId
from bot.views.job_control import make_button, make_view

MAX_PROMPT_UNITS = 1500


def page_text(result: KeptResult, image: StoredImage, language: Language, *notes: str) -> str:
    """Prompt, rank, score and seed. notes: a line each, below."""
    job = result.job
    facts = language.text(
        "Picture {rank} of {count} · score {score:.1f} · seed {seed} · job {job}",
        rank=image.rank,
        count=len(result.images),
        score=image.score,
        seed=str(job.seed),
        job=f"`{job.id}`",
    )
    return "\n".join([f"**{escape_shortened(job.prompt, MAX_PROMPT_UNITS)}**", facts, *notes])


def page_file(
    result: KeptResult, image: StoredImage, data: bytes, language: Language, *, suffix: str = "png"
) -> Picture:
    """The picture to attach, with its alternative text."""
    described = alternative_text(result.job, image.rank, language)
    return Picture(f"dalle-bot-{result.job.id}-{image.rank}.{suffix}", data, described)


def alternative_text(job: JobRecord, rank: int, language: Language) -> str:
    """What one picture of a job shows, for those who can't see it."""
    return language.text("Picture {rank} of {count} of: {prompt}", rank=rank, count=job.num_images, prompt=job.prompt)


def page_view(result: KeptResult, image: StoredImage, language: Language) -> discord.ui.View:
    """Two rows: variations, and the rest."""
    job_id, rank = result.job.id, str(image.rank)
    labels = {
        "subtle": language.text("Vary subtly"),
        "medium": language.text("Vary"),
        "strong": language.text("Vary strongly"),
    }
    vary = [make_button(label, CustomId(Action.VARY, job_id, f"{rank}.{name}")) for name, label in labels.items()]
    others = [
        make_button(language.text("Enlarge"), CustomId(Action.ENLARGE, job_id, rank)),
        make_button(language.text("Send me a copy"), CustomId(Action.SAVE, job_id, rank)),
        make_button(language.text("Favourite"), CustomId(Action.FAVOURITE, job_id, rank)),
    ]
    view = make_view(vary)
    for control in others:
        control.row = 1
        view.add_item(control)
    return view
