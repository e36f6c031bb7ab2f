"""Who is to blame for the end of a run, told apart from whoever was there as well."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.moderation.suspects import Suspects

pytestmark = pytest.mark.fault


def after(known: Suspects, *, drawn: str = "", waited: str = "") -> Suspects:
    """A new run, with one letter for each job."""
    return known.at_start(drawn=drawn, waited=waited)


def suspects(known: Suspects, jobs: str) -> str:
    return "".join(job for job in jobs if known.is_suspect(job))


def test_what_was_drawn_at_an_end_is_suspect_at_once_and_what_waited_at_the_second() -> None:
    first = after(Suspects(), waited="abc")
    assert suspects(first, "abc") == ""
    second = after(first, drawn="a", waited="bc")
    assert suspects(second, "abc") == "a"
    assert suspects(after(second, waited="bc"), "abc") == "bc"


def test_an_end_in_peace_makes_nobody_suspect_and_clears_nobody() -> None:
    known = after(after(Suspects(), waited="a"), drawn="a", waited="b").closed()
    assert suspects(after(known, drawn="b", waited="a"), "ab") == "a"


def test_only_the_job_that_was_drawn_alone_is_to_blame() -> None:
    known = after(after(Suspects(), waited="ab"), drawn="ab", waited="c")
    known = after(known.drawing("a"), drawn="a", waited="bc")
    assert not known.is_fatal("a")
    # It may be the prompt, before anything is drawn.
    known = after(known.drawing("a"), waited="abc")
    assert [job for job in "abc" if known.is_fatal(job)] == ["a"]
    assert suspects(known, "abc") == "ab"


def test_a_job_that_came_through_is_not_blamed_for_what_follows() -> None:
    known = after(after(Suspects(), waited="ab"), drawn="a", waited="b").drawing("a")
    known = after(after(known, drawn="b"), drawn="b")
    assert not known.is_fatal("a")
    assert suspects(known, "ab") == "b"


def test_what_has_ended_is_forgotten() -> None:
    known = after(after(Suspects(), waited="ab"), drawn="ab").drawing("a")
    known = after(after(known, drawn="ab").closed(), drawn="b")
    assert (dict(known.weights), dict(known.ends_alone)) == ({"b": 2}, {})


def test_it_is_kept_as_text() -> None:
    known = after(after(Suspects(), waited="ab"), drawn="a", waited="b").drawing("a")
    assert Suspects.from_json(known.to_json()) == known
    with pytest.raises(ValueError, match="not what is known of suspects"):
        Suspects.from_json('{"weights": 3}')


@given(
    fates=st.lists(st.sampled_from(["harmless", "harmless", "fatal when it is drawn", "fatal before"]), max_size=12),
    room=st.integers(1, 4),
)
def test_whatever_jobs_there_are_the_fatal_ones_alone_are_given_up_after_a_bounded_number_of_ends(
    fates: list[str], room: int
) -> None:
    """As the executor does it: suspects one by one, then the others, `room` at a time."""
    fate = {str(number): kind for number, kind in enumerate(fates)}
    left, given_up, known = list(fate), set[str](), Suspects()
    drawn: list[str] = []
    num_fatal = sum(kind != "harmless" for kind in fates)
    for _ in range(3 + 2 * num_fatal):
        known = known.at_start(drawn=drawn, waited=[job for job in left if job not in drawn])
        given_up |= {job for job in left if known.is_fatal(job)}
        left = [job for job in left if job not in given_up]
        alone = [job for job in left if known.is_suspect(job)]
        others = [job for job in left if job not in alone]
        groups = [[job] for job in alone] + [others[at : at + room] for at in range(0, len(others), room)]
        drawn = []
        for group in groups:
            known = known.drawing(group[0] if group[0] in alone else None)
            if any(fate[job] != "harmless" for job in group):
                is_late = all(fate[job] != "fatal before" for job in group)
                drawn = group if is_late else []
                break
            left = [job for job in left if job not in group]
        else:
            break
    assert left == []
    assert given_up == {job for job, kind in fate.items() if kind != "harmless"}
