"""What a terminal shows of a start and a drawing."""

import io

from rich.console import Console
from rich.progress import Progress

import bot.requests as requests
from bot.commands.progress import ConsoleProgress, show_progress, show_stages
from bot.startup import StartUp


def test_stages_and_drawing_share_one_bar() -> None:
    out = io.StringIO()
    with Progress(console=Console(file=out, width=100)) as progress:
        shown = ConsoleProgress(progress)
        with StartUp(shown).stage("load DalleBart", total=2_000_000, unit="bytes") as advance:
            advance(500_000)
            [bar] = progress.tasks
            assert (bar.description, bar.total, bar.completed) == ("load DalleBart", 2_000_000, 500_000)
            assert bar.fields["amount"] == "500 kB of 2 MB"
        with StartUp(shown).stage("find devices"):
            [bar] = progress.tasks
            assert (bar.description, bar.total, bar.completed, bar.fields["amount"]) == ("find devices", None, 0, "")
        shown.update(requests.Progress(done_tokens=3, total_tokens=9))
        [bar] = progress.tasks
        assert (bar.description, bar.total, bar.completed) == ("drawing", 9, 3)


def test_notes_stay_and_the_bar_goes() -> None:
    out = io.StringIO()
    with show_progress(Console(file=out, width=100), quiet=False) as shown:
        shown.begin("load DalleBart", 10, "bytes")
        shown.note("weights  [1]  5 GB")
    assert out.getvalue() == "weights  [1]  5 GB\n"


def test_quiet_is_quiet() -> None:
    out = io.StringIO()
    with show_progress(Console(file=out), quiet=True) as shown:
        shown.begin("load DalleBart", 10, "bytes")
        shown.note("something")
    assert out.getvalue() == ""


def test_without_a_terminal_measurements_write_lines() -> None:
    out = io.StringIO()
    with show_stages(Console(file=out, width=20), quiet=False) as shown:
        start_up = StartUp(shown)
        with start_up.stage("a stage with a long name", total=2) as advance:
            advance(2)
        start_up.note("note [1]")
    begun, ended, note = out.getvalue().splitlines()
    assert begun == "a stage with a long name ..."
    assert ended.startswith("a stage with a long name: 0.")
    assert note == "note [1]"
