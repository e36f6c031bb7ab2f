"""Every column that names a person has a row that says what an export and a deletion do with it."""

from sqlalchemy import BigInteger

from bot.store.personal import PERSONAL, Fate
from bot.store.schema import metadata

NO_PERSON = (
    "guild_id",
    "channel_id",
    "message_id",
    "interaction_id",
    "cause_id",
    "appeal_channel_id",
    "appeal_message_id",
)


def test_no_column_that_names_a_person_is_forgotten() -> None:
    """Ids of Discord's are its BigIntegers; what isn't a place or a message is a person."""
    named = {
        column
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, BigInteger)
        and (column.name.endswith(("_id", "_by")) and column.name not in NO_PERSON)
    }
    known = {personal.column for personal in PERSONAL}
    assert named - known == set()


def test_rows_that_go_with_a_job_hang_on_it() -> None:
    for personal in PERSONAL:
        if personal.fate is Fate.WITH_JOB and personal.name != "jobs":
            (key,) = personal.table.foreign_key_constraints
            assert (key.referred_table.name, key.ondelete) == ("jobs", "CASCADE")


def test_what_becomes_nameless_may_be() -> None:
    for personal in PERSONAL:
        if personal.fate is Fate.NAMELESS:
            assert personal.column.name not in personal.table.primary_key.columns


def test_an_export_has_each_table_once() -> None:
    """Its files are named after the tables."""
    names = [personal.name for personal in PERSONAL if personal.is_exported]
    assert len(set(names)) == len(names)


def test_an_export_names_no_other_person() -> None:
    people = {personal.column for personal in PERSONAL}
    for personal in PERSONAL:
        if personal.is_exported:
            shown = [column for column in personal.table.columns if column.name not in personal.leaves_out]
            others = {column.name for column in shown if column in people and column is not personal.column}
            assert others <= {"of_user_id"}, "whose gallery they looked at, they chose themselves"
