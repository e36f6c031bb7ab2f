"""What comes over the gateway, as metrics: interactions, lost connections and those that went on. Event loop."""

from typing import Any, Final

import discord
from discord.ext import commands

from bot.telemetry.discord_traffic import DiscordTraffic
from bot.telemetry.metrics import Metrics

_KINDS: Final = {
    discord.InteractionType.application_command: "command",
    discord.InteractionType.component: "component",
    discord.InteractionType.modal_submit: "form",
    discord.InteractionType.autocomplete: "suggestion",
}


def watch_gateway(client: commands.AutoShardedBot, metrics: Metrics, traffic: DiscordTraffic) -> None:
    """Adds listeners to a client that isn't connected yet."""

    async def on_interaction(interaction: discord.Interaction[Any]) -> None:
        kind = _KINDS.get(interaction.type)
        if kind is not None:
            traffic.arrived(interaction.id, kind)

    async def on_shard_disconnect(shard_id: int) -> None:
        metrics.gateway_disconnects.inc()

    async def on_shard_resumed(shard_id: int) -> None:
        metrics.gateway_resumes.inc()

    for listener in (on_interaction, on_shard_disconnect, on_shard_resumed):
        client.add_listener(listener)
