"""Every job with its parameters, state and message ids, its results, and what guilds and users have set, in SQL.

The client's cogs use `Store` on the event loop. Frozen dataclasses go in and come out; no row or session leaves.
"""

from bot.store.audit import AuditAction, AuditEntry, AuditFilter, AuditRecord, AuditStore
from bot.store.cases import CaseRecord, CaseStore, NewCase
from bot.store.erasures import Erasure, ErasureStore, Kept
from bot.store.exports import ExportPage, ExportStore
from bot.store.favourites import FavouriteStore
from bot.store.galleries import Gallery, GalleryStore
from bot.store.images import ImageKey, ImageStore
from bot.store.jobs import JobStore
from bot.store.leases import LeaseStore, ShardLease
from bot.store.past import Cursor, PastImage, PastStore, Scope
from bot.store.prompt_rules import GuildRules, RuleStore, Taken
from bot.store.records import Favourite, JobKind, JobOutline, JobRecord, NewJob, SettingChange, StoredImage, Usage
from bot.store.reports import Report, ReportStore
from bot.store.sanctions import NewSanction, SanctionRecord, SanctionStore
from bot.store.showings import Showing, ShowingStore
from bot.store.states import FINAL_STATES, SHOWN_STATES, JobState, may_move
from bot.store.store import Store
from bot.store.styles import Style
from bot.store.sweeps import NewSweep, SweepRecord, SweepState, SweepStore
from bot.store.values import ValueStore
from bot.store.vectors import VectorStore

__all__ = [
    "FINAL_STATES",
    "SHOWN_STATES",
    "AuditAction",
    "AuditEntry",
    "AuditFilter",
    "AuditRecord",
    "AuditStore",
    "CaseRecord",
    "CaseStore",
    "Cursor",
    "Erasure",
    "ErasureStore",
    "ExportPage",
    "ExportStore",
    "Favourite",
    "FavouriteStore",
    "Gallery",
    "GalleryStore",
    "GuildRules",
    "ImageKey",
    "ImageStore",
    "JobKind",
    "JobOutline",
    "JobRecord",
    "JobState",
    "JobStore",
    "Kept",
    "LeaseStore",
    "NewCase",
    "NewJob",
    "NewSanction",
    "NewSweep",
    "PastImage",
    "PastStore",
    "Report",
    "ReportStore",
    "RuleStore",
    "SanctionRecord",
    "SanctionStore",
    "Scope",
    "SettingChange",
    "ShardLease",
    "Showing",
    "ShowingStore",
    "Store",
    "StoredImage",
    "Style",
    "SweepRecord",
    "SweepState",
    "SweepStore",
    "Taken",
    "Usage",
    "ValueStore",
    "VectorStore",
    "may_move",
]
