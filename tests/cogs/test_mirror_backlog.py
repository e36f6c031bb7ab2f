from pathlib import Path

from bot.cogs.mirror_backlog import FIRST_PAUSE_S, LONGEST_PAUSE_S, MirrorBacklog, Part
from bot.store import Store
from tests.clock import Clock
from tests.store.samples import url_of

GUILD, OTHER = 7, 8


async def test_what_is_left_outlives_a_restart(tmp_path: Path) -> None:
    async with Store.open(url_of(tmp_path)) as store:
        assert await MirrorBacklog(store.values).parts() == {}
        await MirrorBacklog(store.values).keep({GUILD: Part(3, 9), OTHER: Part(0, 1)})
    async with Store.open(url_of(tmp_path)) as store:
        assert await MirrorBacklog(store.values).parts() == {GUILD: Part(3, 9), OTHER: Part(0, 1)}


async def test_pauses_grow_up_to_a_bound_and_end(tmp_path: Path) -> None:
    clock = Clock()
    async with Store.open(url_of(tmp_path)) as store:
        backlog = MirrorBacklog(store.values, clock=clock)
        pauses_s = []
        for _ in range(8):
            backlog.failed(GUILD)
            begun_s = clock.now_s
            while not backlog.is_due(GUILD):
                clock.now_s += 1.0
            pauses_s.append(clock.now_s - begun_s)
        assert pauses_s[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
        assert pauses_s[-1] == LONGEST_PAUSE_S
        backlog.failed(GUILD)
        assert backlog.is_due(OTHER)
        backlog.went_on(GUILD)
        assert backlog.is_due(GUILD)
        backlog.failed(GUILD)
        clock.now_s += FIRST_PAUSE_S
        assert backlog.is_due(GUILD)
