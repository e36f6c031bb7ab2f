"""What a control's custom_id says: `<version>:<action>:<job id>[:<argument>]`. Pure.

Discord gives it back with a press, perhaps years later, so whatever isn't exactly of this form is refused. It says what
was pressed and never who may press it.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.errors import UnknownControlError

VERSION: Final = 1
MAX_CHARACTERS: Final = 100  # Discord's limit
NO_JOB: Final = "0" * 12

# Any custom_id of ours, of whatever version: those that `CustomId.parse` refuses deserve a sentence too.
OURS: Final = re.compile(r"\d{1,4}:[\s\S]*")

_FORM: Final = re.compile(r"([1-9]\d{0,3}):([a-z_]{1,32}):([0-9a-f]{12})(?::([\w.-]{1,48}))?", re.ASCII)


class Action(StrEnum):
    """What a control does. CANCEL: ends its job. CANCEL_LISTED: the same from a list of jobs, which is shown anew.
    DRAW_VARIANTS, FORGET_VARIANTS: the answers to a question that has an id like a job's.
    SETTINGS, SETTINGS_CHANGES: show the panel or its last changes. SETTINGS_SET, SETTINGS_CHOOSE: change what the
    argument names. SETTINGS_FORM opens a form, SETTINGS_SUBMIT is the form's own. Their job is NO_JOB.

    Of a finished job: LOOK shows one picture; REROLL draws the job again; DOWNLOAD packs its pictures; DELETE asks, and
    DELETE_CONFIRMED forgets them. Of one picture, whose rank is the argument: VARY, where the strength follows behind a
    dot, ENLARGE, SAVE to one's direct messages, FAVOURITE.

    LOG: another page of the audit; its argument is a filter, and in the place of a job's id stands that of the record
    before which it begins.

    In the place of a job's id a sanction's: APPEAL opens a form, APPEAL_SUBMIT is that form, APPEAL_UPHOLD and
    APPEAL_LIFT decide.
    CASE: decides the case of the argument's number, as it says behind a dot, about the job.

    REMIX: the form of a new job that comes from this one.

    REPORT: opens the form in which a result is reported, REPORT_SEND is the form's own.

    ERASE: deletes everything of whoever presses; its job is NO_JOB.

    Of a sweep, whose id stands in the place of a job's: SWEEP_RUN deletes what was counted, SWEEP_STOP ends that.

    Of a gallery, whose id stands in the place of a job's: TURN shows another page, LOOK_BACK one of its pictures.
    """

    CANCEL = "cancel"
    CANCEL_LISTED = "cancel_listed"
    LOOK = "look"
    REROLL = "reroll"
    DOWNLOAD = "download"
    DELETE = "delete"
    DELETE_CONFIRMED = "delete_confirmed"
    VARY = "vary"
    ENLARGE = "enlarge"
    SAVE = "save"
    FAVOURITE = "favourite"
    DRAW_VARIANTS = "draw_variants"
    FORGET_VARIANTS = "forget_variants"
    REMIX = "remix"
    TURN = "turn"
    LOOK_BACK = "look_back"
    SETTINGS = "settings"
    SETTINGS_CHANGES = "settings_changes"
    SETTINGS_SET = "settings_set"
    SETTINGS_CHOOSE = "settings_choose"
    SETTINGS_FORM = "settings_form"
    SETTINGS_SUBMIT = "settings_submit"
    ERASE = "erase"
    LOG = "log"
    SWEEP_RUN = "sweep_run"
    SWEEP_STOP = "sweep_stop"
    APPEAL = "appeal"
    APPEAL_SUBMIT = "appeal_submit"
    APPEAL_UPHOLD = "appeal_uphold"
    APPEAL_LIFT = "appeal_lift"
    CASE = "case"
    REPORT = "report"
    REPORT_SEND = "report_send"


@dataclass(frozen=True, slots=True)
class CustomId:
    """argument: 1 to 48 ASCII letters, digits, `_`, `.` and `-`; "" for none. job_id: as new_job_id makes it.

    Raises ValueError for other values: they are the program's own.
    """

    action: Action
    job_id: str
    argument: str = ""

    def __post_init__(self) -> None:
        if not _FORM.fullmatch(str(self)):
            raise ValueError(f"{str(self)!r} is no custom_id.")

    def __str__(self) -> str:
        """At most MAX_CHARACTERS long."""
        return f"{VERSION}:{self.action}:{self.job_id}" + (f":{self.argument}" if self.argument else "")

    @classmethod
    def parse(cls, text: str) -> "CustomId":
        """What `str` made. Raises UnknownControlError for everything else."""
        match = _FORM.fullmatch(text)
        if match is None or match[1] != str(VERSION) or match[2] not in set(Action):
            raise UnknownControlError
        return cls(Action(match[2]), match[3], match[4] or "")
