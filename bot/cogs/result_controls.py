"""Who acts on the controls of finished jobs. Called once, by the client."""

from collections.abc import Mapping

from bot.catalogues import Languages
from bot.cogs.deleting import Deleting
from bot.cogs.downloading import Downloading
from bot.cogs.job_desk import JobDesk
from bot.cogs.looking_closer import LookingCloser
from bot.cogs.message_removal import MessageRemoval
from bot.cogs.picture_source import PictureSource
from bot.cogs.remaking import Remaking
from bot.cogs.report_desk import ReportDesk
from bot.cogs.results import Results
from bot.executor.base import Executor
from bot.pictures import PictureFolder
from bot.store import Store
from bot.views.custom_id import Action
from bot.views.presses import PressHandler


def result_handlers(
    *,
    removal: MessageRemoval,
    store: Store,
    pictures: PictureFolder,
    results: Results,
    source: PictureSource,
    closer: LookingCloser,
    executor: Executor,
    desk: JobDesk,
    languages: Languages,
    reports: ReportDesk,
) -> Mapping[Action, PressHandler]:
    """For Presses: the controls of Controls.RESULT and of single pictures."""
    remaking = Remaking(results, desk, executor)
    downloading = Downloading(results, source, languages)
    deleting = Deleting(
        results=results,
        removal=removal,
        store=store,
        pictures=pictures,
        languages=languages,
        on_kept=reports.result_deleted,
    )
    return {
        Action.LOOK: closer.look,
        Action.ENLARGE: closer.enlarge,
        Action.SAVE: closer.save,
        Action.FAVOURITE: closer.favourite,
        Action.REROLL: remaking.reroll,
        Action.VARY: remaking.vary,
        Action.DOWNLOAD: downloading.press,
        Action.DELETE: deleting.ask,
        Action.DELETE_CONFIRMED: deleting.confirmed,
    }
