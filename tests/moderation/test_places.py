"""Where the bot works, and what it says elsewhere."""

import pytest

from bot.errors import NotAdmittedError
from bot.moderation.places import Places


def test_without_a_list_every_guild_is_served() -> None:
    Places().check_guild(1)
    Places().check_guild(None)


def test_a_list_closes_all_others() -> None:
    places = Places(guilds=frozenset({1}))
    places.check_guild(1)
    places.check_guild(None)
    for closed in (places, Places(guilds=frozenset())):
        with pytest.raises(NotAdmittedError) as caught:
            closed.check_guild(2)
        assert str(caught.value) == (
            "I work in certain servers only, and this one is not among them. Whoever runs me can allow it: its id is 2."
        )


@pytest.mark.parametrize(
    ("places", "is_direct", "is_member", "sentence"),
    [
        (Places(), False, True, None),
        (Places(), True, False, "I don't draw in direct messages. Ask in a server that I am in."),
        (Places(user_installs=True), True, False, "I don't draw in direct messages. Ask in a server that I am in."),
        (Places(direct_messages=True), True, False, None),
        (Places(), False, False, "I draw only in servers that I am in. Ask there, or have me added to this one."),
        (Places(direct_messages=True), False, False, "I draw only in servers that I am in. Ask there, or have me"),
        (Places(user_installs=True), False, False, None),
    ],
)
def test_where_jobs_are_made(places: Places, is_direct: bool, is_member: bool, sentence: str | None) -> None:
    if sentence is None:
        places.check_job(is_direct=is_direct, is_member=is_member)
        return
    with pytest.raises(NotAdmittedError) as caught:
        places.check_job(is_direct=is_direct, is_member=is_member)
    assert str(caught.value).startswith(sentence)
