"""Puts the commands and controls together and adds them to the client. Used by it once, before it connects."""

from collections.abc import Mapping

from discord.ext import commands

from bot.cogs.appeals import AppealCog
from bot.cogs.audit_log import AuditLog
from bot.cogs.authority import default_permissions
from bot.cogs.cancelling import Cancelling
from bot.cogs.elsewhere import allow_elsewhere
from bot.cogs.gallery import GalleryCog
from bot.cogs.gallery_reader import GalleryReader
from bot.cogs.gallery_search import GallerySearch
from bot.cogs.help import HelpCog
from bot.cogs.imagine import ImagineCog
from bot.cogs.job_desk import JobDesk
from bot.cogs.looking_closer import LookingCloser
from bot.cogs.menus import Menus
from bot.cogs.mod_group import ModCommand, mod_group
from bot.cogs.picture_source import PictureSource
from bot.cogs.privacy import PrivacyCog
from bot.cogs.privacy_policy import PrivacyPolicy
from bot.cogs.prompt_check import PromptCheck
from bot.cogs.prompt_rules import PromptRules
from bot.cogs.queue import QueueCog
from bot.cogs.quota_command import QuotaCommand
from bot.cogs.remixing import Remixing
from bot.cogs.reporting import Reporting
from bot.cogs.result_controls import result_handlers
from bot.cogs.results import Results
from bot.cogs.sanction_commands import SanctionCommands
from bot.cogs.services import Services
from bot.cogs.settings import SettingsCog
from bot.cogs.show import ShowCog
from bot.cogs.stats import StatsCog
from bot.cogs.style_book import StyleBook
from bot.cogs.styles import StyleCog
from bot.cogs.sweeping import Sweeping
from bot.cogs.variant_questions import VariantQuestions
from bot.cogs.who_made_this import WhoMadeThis
from bot.moderation.places import Places
from bot.views.custom_id import Action
from bot.views.presses import PressHandler


async def load_cogs(
    client: commands.AutoShardedBot,
    services: Services,
    *,
    places: Places,
    policy: PrivacyPolicy,
    source_url: str | None,
    command_ids: Mapping[str, int],
) -> Mapping[Action, PressHandler]:
    """Adds every command and menu, and returns who answers each control.

    places, policy, source_url: as the client has them. command_ids: by name, once they are registered.
    """
    desk = JobDesk(
        client,
        store=services.store.jobs,
        executor=services.executor,
        deliveries=services.deliveries,
        admission=services.admission,
        prompts=PromptCheck(services.rule_book, services.notes, services.sanctioning, services.languages),
        gate=services.gate,
        review=services.check,
        places=places,
        shards=services.store.shards,
        languages=services.languages,
    )
    cancelling = Cancelling(
        client,
        store=services.store.jobs,
        audit=services.store.audit,
        deliveries=services.deliveries,
        languages=services.languages,
        on_withdrawn=services.review.reviewing.wake,
    )
    queue = QueueCog(
        store=services.store.jobs,
        executor=services.executor,
        deliveries=services.deliveries,
        cancelling=cancelling,
        shards=services.store.shards,
        languages=services.languages,
    )
    questions = VariantQuestions(services.languages)
    styles = StyleBook(services.store.styles)
    imagine = ImagineCog(
        desk,
        store=services.store.jobs,
        questions=questions,
        styles=styles,
        admission=services.admission,
        executor=services.executor,
    )
    helping = HelpCog(
        client,
        command_ids=command_ids,
        executor=services.executor,
        languages=services.languages,
        source_url=source_url,
    )
    results = Results(services.store)
    source = PictureSource(services.pictures, services.executor, services.deliveries)
    closer = LookingCloser(results, source, services.store.favourites, services.languages)
    gallery = GalleryCog(
        store=services.store.galleries,
        reader=GalleryReader(services.store.past, services.pictures),
        search=GallerySearch(services.store.vectors, services.executor),
        closer=closer,
        languages=services.languages,
    )
    show = ShowCog(
        results=results,
        source=source,
        jobs=services.store.jobs,
        showings=services.store.showings,
        admission=services.admission,
        languages=services.languages,
    )
    remixing = Remixing(results, desk, services.admission, services.languages)
    stats = StatsCog(store=services.store.statistics, languages=services.languages)
    settings = SettingsCog(services.store.guilds, services.languages)
    privacy = PrivacyCog(
        exporting=services.exporting,
        erasing=services.erasing,
        admission=services.admission,
        policy=policy,
        languages=services.languages,
    )
    sweeping = Sweeping(services.store, services.sweep_search, services.sweeper, services.languages)
    for command in (*imagine.get_app_commands(), *queue.get_app_commands(), *helping.get_app_commands()):
        allow_elsewhere(command, places)
    allow_elsewhere(privacy.privacy, places)
    appeals = AppealCog(
        client, services.store, services.clock, services.languages, on_appeal=services.review.reviewing.wake
    )
    for cog in (
        imagine,
        queue,
        gallery,
        show,
        stats,
        StyleCog(styles, services.languages),
        settings,
        helping,
        appeals,
        privacy,
    ):
        await client.add_cog(cog)
    reporting = Reporting(services.store, results, services.report_desk, services.languages, now=services.clock.now)
    who = WhoMadeThis(services.store, services.clock, services.languages)
    for menu in Menus(imagine, remixing, gallery, results, reporting, who).all():
        client.tree.add_command(menu)
    log = AuditLog(services.store.audit, services.languages)
    rules = PromptRules(services.store.rules, services.rule_book, services.languages)
    sanctions = SanctionCommands(services.sanctioning, services.store, services.clock, services.languages)
    quotas = QuotaCommand(services.store.guilds, services.languages)
    moderating: list[ModCommand] = [
        *log.commands(),
        *sweeping.commands(),
        *rules.commands(),
        *sanctions.commands(),
        *services.review.commands,
        *quotas.commands(),
    ]
    client.tree.add_command(mod_group(moderating))
    for known in client.tree.get_commands():
        known.default_permissions = default_permissions(known)
    handlers: dict[Action, PressHandler] = {
        Action.CANCEL: cancelling.press,
        Action.CANCEL_LISTED: queue.press,
        Action.DRAW_VARIANTS: questions.press_draw,
        Action.FORGET_VARIANTS: questions.press_forget,
        Action.REMIX: remixing.submitted,
        Action.TURN: gallery.press_turn,
        Action.LOOK_BACK: gallery.press_look,
        Action.SETTINGS: settings.press_home,
        Action.SETTINGS_CHANGES: settings.press_changes,
        Action.SETTINGS_SET: settings.press_set,
        Action.SETTINGS_CHOOSE: settings.press_choose,
        Action.SETTINGS_FORM: settings.press_form,
        Action.SETTINGS_SUBMIT: settings.submit,
        Action.ERASE: privacy.press_erase,
        Action.LOG: log.press,
        Action.SWEEP_RUN: sweeping.press_run,
        Action.SWEEP_STOP: sweeping.press_stop,
        Action.APPEAL: appeals.press,
        Action.APPEAL_SUBMIT: appeals.submit,
        Action.APPEAL_UPHOLD: appeals.press_uphold,
        Action.APPEAL_LIFT: appeals.press_lift,
        Action.CASE: services.review.reviewing.press,
        Action.REPORT: reporting.press,
        Action.REPORT_SEND: reporting.submitted,
        **result_handlers(
            removal=services.removal,
            store=services.store,
            pictures=services.pictures,
            results=results,
            source=source,
            closer=closer,
            executor=services.executor,
            desk=desk,
            languages=services.languages,
            reports=services.report_desk,
        ),
    }
    return handlers
