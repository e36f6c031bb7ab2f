"""Where a model comes from: reads what users write, downloads what is not here, and holds what was fetched first."""

from bot.fetch.locate import FetchedPart, FetchReport, fetch_model, locate_model

__all__ = ["FetchReport", "FetchedPart", "fetch_model", "locate_model"]
