"""What /about answers: which bot this is and how it is doing. Pure but for the view."""

from dataclasses import dataclass

import discord

from bot.code_version import code_version
from bot.executor.base import EngineState, ExecutorStatus
from bot.language import Language, Text
from bot.message_text import escape


@dataclass(frozen=True, slots=True)
class Standing:
    """How the bot is doing. up_s: seconds since its start. num_servers: that it is in."""

    status: ExecutorStatus
    up_s: float
    num_servers: int


def about_text(standing: Standing, language: Language) -> str:
    """A line each for version, model, line of jobs, and uptime with servers."""
    status = standing.status
    return "\n".join(
        [
            language.text("**dalle-bot {version}** draws pictures of what people describe.", version=code_version()),
            language.tell(_model_text(status)),
            language.text(
                "Everybody's jobs: {queued} waiting, {running} being drawn.",
                queued=status.num_queued,
                running=status.num_running,
            ),
            language.plural(
                "Running for {time}, in {n} server.",
                "Running for {time}, in {n} servers.",
                standing.num_servers,
                time=_duration(standing.up_s),
            ),
        ]
    )


def about_view(invite_url: str, source_url: str | None, language: Language) -> discord.ui.View:
    """Buttons that open pages. source_url: None for no such button."""
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label=language.text("Add it to a server"), url=invite_url))
    if source_url is not None:
        view.add_item(discord.ui.Button(label=language.text("Source code"), url=source_url))
    return view


def _model_text(status: ExecutorStatus) -> Text:
    info = status.info
    if info is None and status.state is EngineState.LOADING:
        return Text("The model is still loading.")
    if info is None or status.state is not EngineState.READY:
        return Text("The model can't be used at the moment.")
    model = escape(info.name)
    if not info.device:
        return Text("Model: {model}, {pixels} x {pixels} pixels.", model=model, pixels=info.image_size_px)
    return Text(
        "Model: {model}, {pixels} x {pixels} pixels, on {device} in {dtype}.",
        model=model,
        pixels=info.image_size_px,
        device=info.device,
        dtype=info.dtype,
    )


def _duration(seconds: float) -> Text:
    """In the largest unit of which there are two."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return Text("less than a minute")
    if minutes >= 48 * 60:
        return Text.plural("{n} day", "{n} days", minutes // (24 * 60))
    if minutes >= 120:
        return Text.plural("{n} hour", "{n} hours", minutes // 60)
    return Text.plural("{n} minute", "{n} minutes", minutes)
