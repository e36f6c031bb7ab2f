"""Previews while jobs are drawn by the engine thread's program, in seconds of a fake clock: a chunk is a second."""

from typing import Any

import numpy as np
import pytest

from bot.engine.fake import FakeEngine, Faults
from bot.engine.fake_pictures import expected_preview
from bot.executor.events import Event, JobUpdate
from bot.requests import Preview, Progress

from .drive import ask, check_result
from .play import FakeClock, Play

CHUNK = 4
SIZE_PX = 8


def engine(clock: FakeClock, **changes: Any) -> FakeEngine:
    """An image takes eight chunks of one row each."""
    known: dict[str, Any] = {"image_length": 8 * CHUNK, "num_rows": 8, "image_size_px": SIZE_PX, "delay_s": 1.0}
    return FakeEngine(sleep=clock.sleep, **known | changes)


def previews(play: Play, number: int = 0) -> list[Preview]:
    return [update for update in play.updates(number) if isinstance(update, Preview)]


def shown(play: Play, number: int = 0) -> list[list[tuple[int, int]]]:
    """For each preview of the job, (index, done rows) of its pictures."""
    return [[(image.index, image.done_rows) for image in preview.images] for preview in previews(play, number)]


def test_a_preview_shows_the_rows_that_were_dispatched_and_comes_once_per_interval() -> None:
    clock = FakeClock()
    request = ask(seed=5, preview_interval_s=3.0)
    play = Play(request, clock=clock).run(engine(clock), chunk_tokens=CHUNK)
    check_result(play.result(0), request, engine(clock).info)
    # It starts at 0 s. At 3 s five chunks have been dispatched and three are done.
    assert shown(play) == [[(0, 5)]]
    (preview,) = previews(play)
    assert preview.total_rows == 8
    expected = expected_preview(5, 0, 5, num_rows=8, image_size_px=SIZE_PX)
    np.testing.assert_array_equal(preview.images[0].pixels, expected)


def test_who_does_not_ask_has_none() -> None:
    clock = FakeClock()
    drawn = engine(clock)
    Play(ask(num_images=4), clock=clock).run(drawn, chunk_tokens=CHUNK)
    assert drawn.calls["preview"] == 0


def test_pictures_that_have_waited_longest_come_first() -> None:
    clock = FakeClock()
    request = ask(num_images=3, preview_interval_s=1.0)
    play = Play(request, clock=clock).run(engine(clock, max_preview=2), chunk_tokens=CHUNK)
    assert shown(play) == [
        [(0, 3), (1, 3)],
        [(0, 4), (2, 4)],
        [(1, 5), (2, 5)],
        [(0, 6), (1, 6)],
        [(0, 7), (2, 7)],
    ]


def test_one_is_under_way_and_it_is_not_waited_for() -> None:
    clock = FakeClock()
    request = ask(preview_interval_s=0.1)
    drawn = engine(clock, preview_polls=3)
    play = Play(request, clock=clock).run(drawn, chunk_tokens=CHUNK)
    # Dispatched at 1 s with three rows and at 4 s with six; asked once a chunk.
    assert shown(play) == [[(0, 3)], [(0, 6)]]
    done_tokens = [update.done_tokens for update in play.updates(0) if isinstance(update, Progress)]
    assert done_tokens == [CHUNK * n for n in range(1, 9)]


def test_a_job_that_ends_gives_up_its_preview() -> None:
    clock = FakeClock()
    requests = [ask(preview_interval_s=0.1), ask(num_images=2, requester="bob", preview_interval_s=0.1)]
    drawn = engine(clock, num_slots=1, preview_polls=9)
    play = Play(*requests, clock=clock).run(drawn, chunk_tokens=CHUNK)
    assert shown(play, 0) == []
    assert shown(play, 1) != []
    assert drawn.calls["wait for preview"] == len(previews(play, 1))


def test_nothing_is_dispatched_without_a_new_row() -> None:
    clock = FakeClock()
    drawn = engine(clock, num_rows=2)
    play = Play(ask(preview_interval_s=0.5), clock=clock).run(drawn, chunk_tokens=CHUNK)
    assert shown(play) == [[(0, 1)]]
    assert drawn.calls["preview"] == 1


def test_dear_previews_take_a_tenth_of_the_time() -> None:
    clock = FakeClock()
    requests = [ask(requester=name, preview_interval_s=0.1) for name in ("ann", "bob")]
    drawn = engine(clock, image_length=100 * CHUNK, num_rows=100, preview_s=2.0, preview_polls=3)
    Play(*requests, clock=clock).run(drawn, chunk_tokens=CHUNK)
    # 100 chunks of a second each, and previews of two.
    share = drawn.calls["preview"] * 2.0 / clock()
    assert 0.05 < share < 0.15


def test_jobs_have_one_by_turns() -> None:
    clock = FakeClock()
    requests = [ask(requester=name, preview_interval_s=1.0) for name in ("ann", "bob")]
    play = Play(*requests, clock=clock).run(engine(clock), chunk_tokens=CHUNK)
    assert [len(previews(play, number)) for number in (0, 1)] == [3, 2]


@pytest.mark.parametrize("verb", ["preview", "wait for preview"])
def test_a_device_that_fails_at_a_preview_starts_the_job_again(verb: Any) -> None:
    clock = FakeClock()
    request = ask(preview_interval_s=3.0)
    faults = Faults(raises={(verb, 1): RuntimeError("boom")})
    drawn = engine(clock, faults=faults)
    play = Play(request, clock=clock).run(drawn, chunk_tokens=CHUNK)
    check_result(play.result(0), request, drawn.info)
    assert drawn.calls["reset"] == 1
    assert len(previews(play)) > 0


def test_a_cancelled_job_has_no_more_of_them() -> None:
    clock = FakeClock()
    play = Play(ask(preview_interval_s=0.1), ask(requester="bob", num_images=2), clock=clock)

    def cancel(event: Event) -> None:
        if isinstance(event, JobUpdate) and isinstance(event.update, Preview):
            play.backlog.cancel(event.job)

    play.on_event = cancel
    play.run(engine(clock, num_slots=2), chunk_tokens=CHUNK)
    assert len(previews(play)) == 1
    check_result(play.result(1), play.jobs[1].request, engine(clock).info)
