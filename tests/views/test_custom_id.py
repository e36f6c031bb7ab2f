"""The codec of custom_ids: what it makes it reads, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UnknownControlError
from bot.views.custom_id import MAX_CHARACTERS, OURS, Action, CustomId

JOB_ID = "0123456789ab"

custom_ids = st.builds(
    CustomId,
    st.sampled_from(Action),
    st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
    st.from_regex(r"([a-zA-Z0-9_.-]{1,48})?", fullmatch=True),
)


@given(custom_ids)
def test_what_was_made_is_read(custom_id: CustomId) -> None:
    text = str(custom_id)
    assert CustomId.parse(text) == custom_id
    assert len(text) <= MAX_CHARACTERS
    assert OURS.fullmatch(text)


def test_the_form() -> None:
    assert str(CustomId(Action.CANCEL, JOB_ID)) == f"1:cancel:{JOB_ID}"
    assert str(CustomId(Action.CANCEL, JOB_ID, "x")) == f"1:cancel:{JOB_ID}:x"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cancel",
        f"1:cancel:{JOB_ID}\n",
        f" 1:cancel:{JOB_ID}",
        f"2:cancel:{JOB_ID}",
        f"01:cancel:{JOB_ID}",
        f"١:cancel:{JOB_ID}",
        f"1:explode:{JOB_ID}",
        f"1:CANCEL:{JOB_ID}",
        f"1:cancel:{JOB_ID.upper()}",
        f"1:cancel:{JOB_ID}0",
        "1:cancel:",
        "1:cancel",
        f"1:cancel:{JOB_ID}:",
        f"1:cancel:{JOB_ID}:a:b",
        f"1:cancel:{JOB_ID}:" + "x" * 49,
        f"1:cancel:{JOB_ID}:ä",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UnknownControlError, match="not from this version of the bot"):
        CustomId.parse(text)


@given(st.text(max_size=120))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        parsed = CustomId.parse(text)
    except UnknownControlError:
        return
    assert str(parsed) == text


@pytest.mark.parametrize(("job_id", "argument"), [("short", ""), (JOB_ID, "two words"), (JOB_ID, "x" * 49)])
def test_the_programs_own_mistakes_are_found(job_id: str, argument: str) -> None:
    with pytest.raises(ValueError, match="is no custom_id"):
        CustomId(Action.CANCEL, job_id, argument)


@pytest.mark.parametrize(("text", "is_ours"), [("7:gone:x", True), ("a8d1f0", False), ("0b1c:x", False)])
def test_ids_that_discord_py_makes_are_not_ours(text: str, is_ours: bool) -> None:
    assert bool(OURS.fullmatch(text)) is is_ours
