"""The shapes of chunks: whatever may be chosen is among those that are compiled, and it is enough."""

from bot.engine.sampling import CANDIDATES
from bot.engine.shapes import ChunkShape, ChunkShapes


def test_the_smallest_that_is_enough_is_chosen_and_was_compiled() -> None:
    shapes = ChunkShapes(18, 256, 64, deterministic=False)
    compiled = set(shapes)
    for rows in range(1, 19):
        for length in range(1, 257):
            for text in (2, 24, 25, 64):
                chosen = shapes.choose(rows, length, text, CANDIDATES)
                assert chosen in compiled
                assert chosen.num_rows >= rows
                assert chosen.length >= length
                assert chosen.text_length >= text
    assert shapes.choose(1, 16, 9, CANDIDATES) == ChunkShape(1, 256, 24, CANDIDATES)
    assert shapes.choose(3, 129, 9, CANDIDATES) == ChunkShape(4, 256, 24, CANDIDATES)
    assert shapes.choose(9, 65, 9, CANDIDATES) == ChunkShape(9, 128, 24, CANDIDATES)
    assert shapes.choose(9, 129, 9, CANDIDATES) == ChunkShape(9, 192, 24, CANDIDATES)
    assert shapes.choose(9, 129, 40, CANDIDATES) == ChunkShape(9, 256, 64, CANDIDATES)
    assert len(compiled) == 19


def test_models_of_short_texts_have_one_width() -> None:
    shapes = ChunkShapes(18, 256, 32, deterministic=False)
    assert {shape.text_length for shape in shapes} == {32}
    assert shapes.choose(9, 65, 3, CANDIDATES) == ChunkShape(9, 128, 32, CANDIDATES)


def test_the_whole_vocabulary_comes_with_the_largest() -> None:
    shapes = ChunkShapes(5, 64, 64, deterministic=False)
    assert shapes.choose(1, 16, 9, None) == ChunkShape(5, 64, 64, None)


def test_deterministic_is_one_shape() -> None:
    shapes = ChunkShapes(18, 256, 64, deterministic=True)
    assert list(shapes) == [ChunkShape(18, 256, 64, None)]
    assert shapes.choose(1, 1, 1, CANDIDATES) == ChunkShape(18, 256, 64, None)
