"""Which places DalleBart learns from; the stage itself is trained in test_train.py."""

import numpy as np

from bot.demo.train_dalle_bart import _rarest_first


def test_places_with_rare_codes_are_looked_at_first() -> None:
    surprise = np.zeros((20, 64))
    surprise[:, 10] = 5.0
    positions = _rarest_first(surprise, 16, np.random.default_rng(0))
    assert positions.shape == (20, 16)
    assert (np.diff(positions, axis=1) > 0).all()
    # Where the code is to be told, and where it is told to those behind it.
    assert sum(10 in places for places in positions.tolist()) >= 18
    assert sum(11 in places for places in positions.tolist()) >= 18
    assert len({tuple(places) for places in positions.tolist()}) > 15


def test_all_places_stay_in_order() -> None:
    surprise = np.random.default_rng(1).random((3, 16))
    positions = _rarest_first(surprise, 16, np.random.default_rng(0))
    np.testing.assert_array_equal(positions, np.tile(np.arange(16), (3, 1)))
