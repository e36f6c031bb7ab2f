"""What the watch sees of an engine, and that it changes nothing."""

import threading
import time
from dataclasses import dataclass, field
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np

from bot.bench.serve_watch import DeviceWatch, WatchedEngine, arrays_in, wait_for_arrays
from bot.engine.base import Engine, PromptText, SlotAssignment
from bot.engine.fake import FakeEngine
from bot.requests import GeneratedImage

PATIENCE_S: Final = 10.0


@dataclass(frozen=True)
class Work:
    """What a device is busy with until `done` is set."""

    done: threading.Event = field(default_factory=threading.Event)


def until_done(work: object) -> None:
    assert isinstance(work, Work)
    assert work.done.wait(PATIENCE_S)


def test_a_thing_is_busy_from_its_dispatch_until_the_device_has_finished_it() -> None:
    first, second = Work(), Work()
    with DeviceWatch(until_done) as watch:
        before = time.perf_counter()
        watch.dispatched(first)
        watch.occupied(2)
        watch.dispatched(second, num_images=3)
        dispatched = time.perf_counter()
        first.done.set()
        time.sleep(0.02)
        second.done.set()
        timeline = watch.take()
    [one, two] = timeline.works
    assert before <= one.since_s <= two.since_s <= dispatched
    assert one.done_s <= two.done_s - 0.01
    assert (one.num_occupied, one.num_images) == (0, 0)
    assert (two.num_occupied, two.num_images) == (2, 3)
    [(since_s, num_slots)] = timeline.occupied
    assert one.since_s <= since_s <= two.since_s
    assert num_slots == 2


def test_taking_waits_for_the_device_and_starts_anew() -> None:
    work = Work()
    with DeviceWatch(until_done) as watch:
        watch.dispatched(work)
        threading.Timer(0.03, work.done.set).start()
        began = time.perf_counter()
        assert len(watch.take().works) == 1
        assert time.perf_counter() - began > 0.02
        assert watch.take().works == ()


@dataclass(frozen=True)
class Rows:
    """Shaped like what engines give."""

    rows: object
    positions: object = None


def test_arrays_are_found_at_any_depth() -> None:
    one, two = jnp.ones(2), jnp.zeros(3)
    found = list(arrays_in((Rows((Rows(one),), np.zeros(2)), [two])))
    assert [id(array) for array in found] == [id(one), id(two)]


def test_arrays_are_waited_for_unless_they_are_lost() -> None:
    lost = jnp.ones(3)
    lost.delete()
    slow = jax.jit(lambda x: jax.lax.fori_loop(0, 2000, lambda _, y: jnp.tanh(y @ y), x))(jnp.eye(32))
    wait_for_arrays([lost, Rows(slow)])
    assert slow.is_ready()


def test_every_verb_goes_on_to_the_engine() -> None:
    with DeviceWatch(lambda work: None) as watch:
        fake = FakeEngine(num_slots=3, image_length=4)
        engine: Engine = WatchedEngine(fake, watch)
        assert (engine.info, engine.num_slots, engine.max_preview) == (fake.info, 3, fake.max_preview)
        prefix = engine.prefill([PromptText("a red circle")])
        engine.insert(prefix, [SlotAssignment(slot, 0, slot, 7, fake.info.sampling) for slot in (0, 2)])
        chunk = engine.step(2)
        chunk.wait()
        assert chunk.positions.tolist() == [2, 0, 2]
        assert len(engine.preview([0]).wait()) == 1
        engine.step(2).wait()
        images = engine.collect([2]).wait()
        assert [image.index for image in images if isinstance(image, GeneratedImage)] == [2]
        engine.free([2])
        np.testing.assert_array_equal(engine.label_vectors(["a star"]), fake.label_vectors(["a star"]))
        np.testing.assert_array_equal(engine.text_vector("a star").wait(), fake.text_vector("a star").wait())
        engine.reset()
        assert fake.calls["reset"] == 1
        timeline = watch.take()
    assert [num_slots for _, num_slots in timeline.occupied] == [2, 1, 0]
    # A prefill, a chunk, a preview, another chunk and a collection.
    assert [work.num_occupied for work in timeline.works] == [0, 2, 2, 2, 2]
    assert [work.num_images for work in timeline.works] == [0, 0, 0, 0, 1]
