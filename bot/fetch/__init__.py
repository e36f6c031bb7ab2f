"""Where a model comes from: reads what users write, downloads what is not here, and holds what was fetched first."""

from bot.fetch.locate import fetch_model, find_model, locate_model
from bot.fetch.report import FetchedPart, FetchReport

__all__ = ["FetchReport", "FetchedPart", "fetch_model", "find_model", "locate_model"]
