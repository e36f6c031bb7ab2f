import pytest

from bot.errors import MissingPermissionError
from bot.moderation.authority import COMMANDS, MENUS, PRESSES, Level, Need, check, level_of
from bot.views.custom_id import Action

ALLOWED = {
    Need.MEMBER: {Level.MEMBER, Level.MODERATOR, Level.ADMIN},
    Need.REQUESTER: {Level.MODERATOR, Level.ADMIN},
    Need.MODERATOR: {Level.MODERATOR, Level.ADMIN},
    Need.ADMIN: {Level.ADMIN},
}


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("need", Need)
def test_each_level_may_what_it_should(need: Need, level: Level) -> None:
    if level in ALLOWED[need]:
        check(need, level)
    else:
        with pytest.raises(MissingPermissionError, match="Only "):
            check(need, level)


@pytest.mark.parametrize("need", Need)
def test_having_asked_counts_for_ones_own_alone(need: Need) -> None:
    if need in (Need.MEMBER, Need.REQUESTER):
        check(need, Level.MEMBER, is_requester=True)
    else:
        with pytest.raises(MissingPermissionError):
            check(need, Level.MEMBER, is_requester=True)


@pytest.mark.parametrize(
    ("is_admin", "may_moderate", "role_ids", "level"),
    [
        (False, False, (), Level.MEMBER),
        (False, False, (1, 2), Level.MEMBER),
        (False, False, (1, 3), Level.MODERATOR),
        (False, True, (), Level.MODERATOR),
        (True, False, (), Level.ADMIN),
        (True, True, (3,), Level.ADMIN),
    ],
)
def test_levels(is_admin: bool, may_moderate: bool, role_ids: tuple[int, ...], level: Level) -> None:
    given = level_of(is_admin=is_admin, may_moderate=may_moderate, role_ids=role_ids, moderator_roles=(3, 4))
    assert given is level


def test_without_roles_of_moderators_no_role_is_one() -> None:
    assert level_of(is_admin=False, may_moderate=False, role_ids=(1,)) is Level.MEMBER


def test_every_action_has_a_row_and_every_row_an_action() -> None:
    assert set(PRESSES) == set(Action)


def test_nobody_but_a_jobs_requester_is_one() -> None:
    assert Need.REQUESTER not in {*COMMANDS.values(), *MENUS.values()}
