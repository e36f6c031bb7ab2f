"""dalle-bot: prompts from Discord, drawn by DALL-E Mini or Mega on a batched JAX loop, ranked by CLIP."""

__version__ = "0.1.0"
