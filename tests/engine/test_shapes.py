"""The shapes of chunks: whatever may be chosen is among those that are compiled, and it is enough."""

from bot.engine.sampling import CANDIDATES
from bot.engine.shapes import ChunkShape, ChunkShapes


def test_the_smallest_that_is_enough_is_chosen_and_was_compiled() -> None:
    shapes = ChunkShapes(18, 256, deterministic=False)
    compiled = set(shapes)
    for rows in range(1, 19):
        for length in range(1, 257):
            chosen = shapes.choose(rows, length, CANDIDATES)
            assert chosen in compiled
            assert chosen.num_rows >= rows
            assert chosen.length >= length
    assert shapes.choose(1, 16, CANDIDATES) == ChunkShape(1, 256, CANDIDATES)
    assert shapes.choose(3, 129, CANDIDATES) == ChunkShape(4, 256, CANDIDATES)
    assert shapes.choose(9, 65, CANDIDATES) == ChunkShape(9, 128, CANDIDATES)
    assert len(compiled) == 12


def test_the_whole_vocabulary_comes_with_the_largest() -> None:
    shapes = ChunkShapes(5, 64, deterministic=False)
    assert shapes.choose(1, 16, None) == ChunkShape(5, 64, None)


def test_deterministic_is_one_shape() -> None:
    shapes = ChunkShapes(18, 256, deterministic=True)
    assert list(shapes) == [ChunkShape(18, 256, None)]
    assert shapes.choose(1, 1, CANDIDATES) == ChunkShape(18, 256, None)
