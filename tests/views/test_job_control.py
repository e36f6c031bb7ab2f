"""Controls as discord.py's items: what is sent, and that nothing of it stays in memory."""

import discord

from bot.language import ENGLISH
from bot.render import Controls
from bot.views.custom_id import Action, CustomId
from bot.views.job_control import make_button, make_view, view_of
from tests.conftest import OpenStage

JOB_ID = "0123456789ab"


async def test_nothing_to_press_is_no_view() -> None:
    assert view_of(Controls.NONE, JOB_ID, ENGLISH) is None


async def test_a_running_job_has_one_button() -> None:
    view = view_of(Controls.RUNNING, JOB_ID, ENGLISH)
    assert view is not None
    ((row),) = view.to_components()
    (button,) = row["components"]
    assert (button["label"], button["custom_id"]) == ("Cancel", f"1:cancel:{JOB_ID}")
    assert view.timeout is None


async def test_a_result_has_a_select_of_its_pictures_and_four_buttons() -> None:
    view = view_of(Controls.RESULT, JOB_ID, ENGLISH, scores=(21.04, 20.0))
    assert view is not None
    select_row, button_row = view.to_components()
    (select,) = select_row["components"]
    assert (select["placeholder"], select["custom_id"]) == ("Look closer", f"1:look:{JOB_ID}")
    options = [(option["label"], option["value"], option["description"]) for option in select["options"]]
    assert options == [("Picture 1", "1", "Score: 21.0"), ("Picture 2", "2", "Score: 20.0")]
    assert [(button["label"], button["custom_id"]) for button in button_row["components"]] == [
        ("Reroll", f"1:reroll:{JOB_ID}"),
        ("Download all", f"1:download:{JOB_ID}"),
        ("Delete", f"1:delete:{JOB_ID}"),
        ("Report", f"1:report:{JOB_ID}"),
    ]
    assert view.timeout is None


async def test_buttons_come_in_rows_of_five() -> None:
    controls = [make_button(str(n), CustomId(Action.CANCEL, f"{n:012x}")) for n in range(7)]
    rows = make_view(controls).to_components()
    assert [len(row["components"]) for row in rows] == [5, 2]
    assert all(control.item.type is discord.ComponentType.button for control in controls)


async def test_discord_py_keeps_no_view(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.play("/imagine prompt:a red circle images:2")
        await stage.play("/queue")
        assert stage.app.bot.persistent_views == []
        assert stage.app.bot._connection._view_store._synced_message_views == {}
